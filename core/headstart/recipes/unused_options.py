"""Options that were set and that no plan reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import tomlkit

from headstart.errors import Problem, RecipeError
from headstart.options import OptionInfo, describe_options


def changed_options(options: Any, names: Collection[str] | None = None) -> tuple[OptionInfo, ...]:
    """The options that differ from their defaults; with `names`, of these alone."""
    declared = describe_options(type(options))
    changed = (option for option in declared if getattr(options, option.name) != option.default)
    return tuple(option for option in changed if names is None or option.name in names)


def spell_options(table: str, options: Any, chosen: Sequence[OptionInfo]) -> dict[str, str]:
    """The values of the `chosen` ones as on the command line, by key: `strategy.epochs` has `5`."""
    return {f"{table}.{option.name}": _spelt(getattr(options, option.name)) for option in chosen}


def nothing_to_act_on(values: Mapping[str, str], why: str, hint: str) -> RecipeError:
    """The error that names each of these `values`, by key."""
    return RecipeError([Problem(key, f"{value} has nothing to act on: {why}", hint) for key, value in values.items()])


def note_reads(options: Any) -> tuple[Any, set[str]]:
    """The same `options`, of a class that notes which of them are read, and the names of those that were so far."""
    read: set[str] = set()

    kind = type(options)

    def note(self: Any, name: str) -> Any:
        read.add(name)
        return object.__getattribute__(self, name)

    noting = type(kind.__name__, (kind,), {"__getattribute__": note})
    noted = noting(**{each.name: getattr(options, each.name) for each in dataclasses.fields(options)})
    read.clear()  # of what the class checks itself
    return noted, read


def unread_options(options: Any, read: Collection[str]) -> list[OptionInfo]:
    """The options that were set and are not among those `read`; free text is no mistake where it is not read."""
    changed = changed_options(options)
    return [option for option in changed if option.name not in read and (option.choices or "str" not in option.type)]


def _spelt(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return str(plain) if plain is None or isinstance(plain, str) else tomlkit.item(plain).as_string()
