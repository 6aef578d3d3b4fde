"""Options that were set and that nothing of a plan depends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import tomlkit

from headstart.errors import HeadstartError, Problem, RecipeError
from headstart.options import OptionInfo, describe_options
from headstart.specs import Phase, StrategyRequest

Build = Callable[[StrategyRequest], Sequence[Phase]]


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


def refuse_unread(build: Build, request: StrategyRequest) -> None:
    """Raise RecipeError naming each option of the strategy that was set while its plan is the same at other values.

    Flags that stand for an option of a recipe file (`--epochs`, `--learning-rate`) are left out of this: a recipe may
    set what a flag overrides. An option counts as read where the build refuses one of its other values, and where it
    is free text.
    """
    changed = changed_options(request.options)
    request = dataclasses.replace(request, epochs=None, learning_rate=None)
    plan = built(build, request) if changed else None
    if plan is None:
        return
    unread = [option for option in changed if not _is_read(option, build, request, plan)]
    if unread:
        phases = ", ".join(f"{phase.name} ({phase.solver.replace('_', ' ')})" for phase in plan)
        raise nothing_to_act_on(
            spell_options("strategy", request.options, unread),
            f"whatever it is, the phases are {phases}",
            "leave it out, or choose a strategy, head or stages that it acts on",
        )


def _is_read(option: OptionInfo, build: Build, request: StrategyRequest, plan: tuple[Phase, ...]) -> bool:
    values = _other_values(option, getattr(request.options, option.name))
    others = [other for value in values if (other := with_option(request, option.name, value))]
    return not others or any(built(build, other) != plan for other in others)


def _other_values(option: OptionInfo, value: Any) -> list[Any]:
    """Enough to see whether it is read; none of free text, of which any might be."""
    given = option.default if value is None else value
    several = isinstance(given, tuple)
    items = (given or option.default or ()) if several else (given,)
    single = _single_values(option, items[0]) if items else ()
    if not single:
        return []
    wide = ((), *((each,) for each in single), single) if several else single
    return [other for other in (option.default, *wide) if other != value]


def _single_values(option: OptionInfo, given: Any) -> tuple[Any, ...]:
    """All there are, or the bounds of a number; where it has none, one on each side of `given`, far from it."""
    if option.choices:
        return option.choices
    if isinstance(given, bool):
        return (False, True)
    if not isinstance(given, int | float):
        return ()
    low = -abs(given) - 1 if option.low is None else option.low
    high = 2 * abs(given) + 1 if option.high is None else option.high
    return (type(given)(low), type(given)(high))


def with_option(request: StrategyRequest, name: str, value: Any) -> StrategyRequest | None:
    """The request at another value of one option; None where the options refuse it together with the others."""
    try:
        return dataclasses.replace(request, options=dataclasses.replace(request.options, **{name: value}))
    except ValueError:  # a dataclass may check its fields together
        return None


def built(build: Build, request: StrategyRequest) -> tuple[Phase, ...] | None:
    """The phases; None where the strategy refuses the request, or fails at it."""
    try:
        return tuple(build(request))
    except HeadstartError:
        return None


def _spelt(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return str(plain) if plain is None or isinstance(plain, str) else tomlkit.item(plain).as_string()
