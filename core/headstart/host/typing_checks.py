"""Does a value fit a type annotation? For frozen records that arrive from plugins."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def mismatch(value: Any, hint: Any) -> str | None:
    """Why `value` does not fit `hint`, to be read after a field's name; None where it fits.

    Knows plain classes, unions, Literal, `tuple[X, ...]`, `frozenset[X]`, `Mapping[K, V]` and dataclasses of
    these.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return None
    if origin in (Union, types.UnionType):
        fits = any(mismatch(value, each) is None for each in arguments)
        return None if fits else _wrong(value, " or ".join(spell(each) for each in arguments))
    if origin is Literal:
        return None if value in arguments else _wrong(value, f"one of {', '.join(map(repr, arguments))}")
    if origin in (tuple, frozenset):
        return _collection_mismatch(value, hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            return _wrong(value, "a mapping")
        pairs = ((key, arguments[0]) for key in value)
        values = ((each, arguments[1]) for each in value.values())
        return next((wrong for each, hint in (*pairs, *values) if (wrong := mismatch(each, hint))), None)
    return _class_mismatch(value, origin or hint)


def _collection_mismatch(value: Any, hint: Any) -> str | None:
    origin, arguments = get_origin(hint), get_args(hint)
    if not isinstance(value, origin or tuple):
        return _wrong(value, f"a {spell(hint)}")
    if origin is tuple and Ellipsis not in arguments:
        return None if len(value) == len(arguments) else _wrong(value, f"a list of {len(arguments)}")
    return next((wrong for each in value if (wrong := mismatch(each, arguments[0]))), None)


def _class_mismatch(value: Any, expected: Any) -> str | None:
    if not isinstance(expected, type):
        return None
    number = isinstance(value, int) and not isinstance(value, bool)
    if expected is float and number:
        return None
    if not isinstance(value, expected) or (expected in (int, float) and isinstance(value, bool)):
        return _wrong(value, spell(expected))
    if is_dataclass(value) and not isinstance(value, type):
        hints = get_type_hints(type(value))
        for field in fields(value):
            if field.name in hints and (wrong := mismatch(getattr(value, field.name), hints[field.name])):
                return f"({expected.__name__}) has {field.name}, which {wrong}"
    return None


def spell(hint: Any) -> str:
    """A type as users read it: `int`, `float or none`, `list of str`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is None or hint is type(None):
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
