"""Does a value fit a type annotation? For frozen records that arrive from plugins."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

PLAIN = (str, int, float, bool)


@functools.cache
def hints_of(kind: Any) -> Mapping[str, Any]:
    """The types of a class' fields by name, worked out once: a plugin offers many records of few classes."""
    return get_type_hints(kind)


def mismatch(value: Any, hint: Any) -> str | None:
    """Why `value` does not fit `hint`, to be read after a field's name; None where it fits.

    Knows plain classes, unions, Literal, `tuple[X, ...]`, `frozenset[X]`, `Mapping[K, V]` and dataclasses of
    these. A whole number stands for a float, and no truth value for a number.
    """
    if hint in PLAIN and type(value) is hint:  # most are
        return None
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        fits = any(mismatch(value, each) is None for each in arguments)
        return None if fits else _wrong(value, spell(hint))
    if origin is Literal:
        return None if value in arguments else _wrong(value, f"one of {', '.join(map(repr, arguments))}")
    kind = origin or hint
    if hint is Any or not isinstance(kind, type):
        return None
    accepted: Any = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (kind in (int, float) and isinstance(value, bool)):
        collection = "a mapping" if issubclass(kind, Mapping) else f"a {spell(hint)}"
        return _wrong(value, collection if origin else spell(hint))
    if origin is tuple and Ellipsis not in arguments:
        return None if len(value) == len(arguments) else _wrong(value, f"a list of {len(arguments)}")
    problems = ((where, mismatch(part, expected)) for where, part, expected in _parts(value, origin, arguments))
    return next((where + wrong for where, wrong in problems if wrong), None)


def _parts(value: Any, origin: Any, arguments: tuple[Any, ...]) -> Iterator[tuple[str, Any, Any]]:
    """What a value is made of: how a problem with it begins, the part, and its type."""
    if origin in (tuple, frozenset):
        yield from (("", each, arguments[0]) for each in value)
    elif isinstance(value, Mapping) and arguments:
        yield from (("", key, arguments[0]) for key in value)
        yield from (("", each, arguments[1]) for each in value.values())
    elif is_dataclass(value) and not isinstance(value, type):
        hints = hints_of(type(value))
        for field in fields(value):
            where = f"({type(value).__name__}) has {field.name}, which "
            yield where, getattr(value, field.name), hints.get(field.name, Any)


def spell(hint: Any) -> str:
    """A type as users read it: `int`, `float or none`, `list of str`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is type(None):
        return "none"
    if origin in (Union, types.UnionType):
        return " or ".join(spell(each) for each in arguments)
    if origin is Literal:
        return "one of " + ", ".join(str(each) for each in arguments)
    if origin in (tuple, frozenset):
        return f"{'list' if origin is tuple else 'set'} of {spell(arguments[0])}"
    return getattr(hint, "__name__", str(hint))


def _wrong(value: Any, expected: str) -> str:
    return f"must be {expected}, not {value!r}"
