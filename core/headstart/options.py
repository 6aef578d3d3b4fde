"""Typed plugin options: a frozen dataclass with a default, bounds and a sentence a field.

    @dataclass(frozen=True)
    class PhotoOptions:
        nested: bool = option(False, "Treat nested folders as classes.")
        minimum: int = option(2, "Smallest number of pictures a class may have.", low=1)

The same declaration validates recipe tables and `--set`, and is printed by `headstart KIND NAME`.
"""

from __future__ import annotations

import math
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from headstart.errors import Problem
from headstart.host.typing_checks import hints_of, mismatch, spell
from headstart.suggest import suggestion

T = TypeVar("T")


@dataclass(frozen=True)
class NoOptions:
    """For specs that have nothing to choose."""


@dataclass(frozen=True)
class Bounds:
    """What `option` keeps beside a field: its sentence and the values it accepts (bounds included)."""

    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] | None = None


def option(
    default: T,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[T, ...] | None = None,
) -> T:
    """Declare one option of a frozen dataclass; `low` and `high` are inclusive."""
    bounds = Bounds(help=help, low=low, high=high, choices=choices)
    declared: T = field(default=default, metadata={"option": bounds})
    return declared


class Text(str):
    """A value written on the command line (`--set key=value`): its type is what the option asks for. In quotes it is a
    TOML string, as a recipe would hold it."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class OptionInfo(Bounds):
    """One option as a listing shows it. `type` is spelt for readers, such as `int` or `list of float`."""

    name: str
    type: str
    default: Any


def describe_options(options: type) -> tuple[OptionInfo, ...]:
    """Every option that the dataclass `options` declares, in its order."""
    hints = hints_of(options)
    return tuple(_describe(each, hints[each.name]) for each in fields(options))


def _describe(declared: Field[Any], hint: Any) -> OptionInfo:
    bounds = declared.metadata.get("option")
    known: dict[str, Any] = dict(vars(bounds)) if isinstance(bounds, Bounds) else {"help": ""}
    if get_origin(hint) is Literal and not known.get("choices"):
        known["choices"] = get_args(hint)
    return OptionInfo(name=declared.name, type=spell(hint), default=declared.default, **known)


def parse_options(
    options: type, values: Mapping[str, Any], where: str, of: str = ""
) -> tuple[Any | None, tuple[Problem, ...]]:
    """An instance of the dataclass `options` from plain `values`, or None with everything that is wrong.

    `where` names the table in problems, such as `strategy`, and `of` whose options they are. Lists become tuples, whole
    numbers stand for floats, and a `Text` is read as TOML where the option is no string.
    """
    declared = {each.name: each for each in describe_options(options)}
    hints = hints_of(options)
    problems: list[Problem] = []
    parsed: dict[str, Any] = {}
    for name, value in values.items():
        place = f"{where}.{name}"
        if name not in declared:
            hint = suggestion(name, declared) or "it has no options"
            problems.append(Problem(place, f"{of} has no such option" if of else "unknown option", hint))
            continue
        try:
            absent = says_none(value, hints[name]) and value not in (declared[name].choices or ())
            parsed[name] = None if absent else convert(value, hints[name], declared[name])
        except ValueError as exc:
            problems.append(Problem(place, str(exc), declared[name].help))
    if problems:
        return None, tuple(problems)
    try:
        return options(**parsed), ()
    except ValueError as exc:  # a dataclass may check its fields together
        return None, (Problem(where, str(exc)),)


def convert(value: Any, hint: Any, bounds: Bounds) -> Any:
    """`value` as the type `hint`, within `bounds`. Raises ValueError with what was expected."""
    if isinstance(value, Text):
        value = _read_text(value, hint)
    if isinstance(value, list):
        value = tuple(value)
    if wrong := mismatch(value, hint):
        raise ValueError(wrong)
    value = _as_float(value, hint)
    for each in value if isinstance(value, tuple) else (value,):
        _check_bounds(each, bounds)
    return value


def says_none(value: Any, hint: Any) -> bool:
    """Whether `value` is the word none, and `hint` accepts None: TOML has no null of its own."""
    return isinstance(value, str) and value.lower() == "none" and type(None) in _alternatives(hint)


def _read_text(text: Text, hint: Any) -> Any:
    """`text` as a TOML value, such as 1e-4, true or ["a", "b"]; the text itself where it is none, or is asked for.
    Raises ValueError as `unquoted` does."""
    kinds = _alternatives(hint)
    if str in kinds or any(get_origin(kind) is Literal for kind in kinds):
        return unquoted(text)
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return str(text)


def unquoted(text: str) -> str:
    """The string that `text` writes in quotes, by TOML's rules: '; ' and "\\t"; any other text as it is.

    Raises ValueError for text in quotes that is no TOML string.
    """
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"":
        return str(text)
    try:
        return str(tomllib.loads(f"value = {text}")["value"])
    except tomllib.TOMLDecodeError as exc:
        wrong = f"must be a string of TOML where it begins and ends with quotes, not {text}"
        raise ValueError(wrong if "\\" not in text else f"{wrong}: backslashes stand as they are in '...'") from exc


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _as_float(value: Any, hint: Any) -> Any:
    kinds = _alternatives(hint)
    if isinstance(value, tuple):
        inner = next((get_args(kind)[0] for kind in kinds if get_origin(kind) is tuple), None)
        return tuple(_as_float(each, inner) for each in value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and float in kinds and int not in kinds else value


def _check_bounds(value: Any, bounds: Bounds) -> None:
    if value is None:
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"must be a finite number, not {value}")
    if bounds.choices is not None and value not in bounds.choices:
        raise ValueError(f"must be one of {', '.join(map(str, bounds.choices))}, not {value!r}")
    if bounds.low is not None and value < bounds.low:
        raise ValueError(f"must be at least {bounds.low:g}, not {value!r}")
    if bounds.high is not None and value > bounds.high:
        raise ValueError(f"must be at most {bounds.high:g}, not {value!r}")


def check_declaration(options: Any) -> tuple[str, ...]:
    """What is wrong with a plugin's options class: each field needs a default that fits, and a sentence."""
    if not isinstance(options, type) or not is_dataclass(options):
        return (f"options must be a frozen dataclass, not {options!r}",)
    if not getattr(options, "__dataclass_params__").frozen:  # noqa: B009 - unknown to type checkers
        return (f"options {options.__name__} must be a frozen dataclass",)
    hints = hints_of(options)
    checks = (_declaration_problem(each, hints[each.name]) for each in fields(options))
    return tuple(problem for problem in checks if problem)


def _declaration_problem(declared: Field[Any], hint: Any) -> str | None:
    if declared.default is MISSING:
        return f"option {declared.name!r} has no default"
    if not _is_supported(hint):
        return f"option {declared.name!r} has the type {hint}, which no recipe can hold"
    described = _describe(declared, hint)
    if not described.help.strip():
        return f"option {declared.name!r} has no sentence; declare it with headstart.options.option"
    try:
        convert(declared.default, hint, described)
    except ValueError as exc:
        return f"the default of option {declared.name!r} {exc}"
    return None


def _is_supported(hint: Any) -> bool:
    """bool, int, float, str, Literal, tuples of the first four, and unions of all these and None."""
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        return len(inner) == 2 and inner[1] is Ellipsis and inner[0] in (bool, int, float, str)
    kinds = [kind for kind in _alternatives(hint) if kind is not type(None)]
    if kinds != [hint]:
        return all(_is_supported(kind) for kind in kinds)
    return hint in (bool, int, float, str) or get_origin(hint) is Literal
