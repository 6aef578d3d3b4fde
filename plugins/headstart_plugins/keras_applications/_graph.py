"""Layers under names that do not depend on what else was built in the process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from headstart.engine.network.keras_names import kind_of, own_number

T = TypeVar("T")


def stable_names(operations: Iterable[Any]) -> dict[str, Any]:
    """Operations by stable name: the given one, or `kind#index` where Keras numbered it itself."""
    numbers = [(operation, own_number(operation)) for operation in operations]
    return by_place([(each, each.name if number is None else kind_of(each), number) for each, number in numbers])


def by_place(found: Sequence[tuple[T, str, int | None]]) -> dict[str, T]:
    """What was found, each with its name and None, or with its kind and number: by that name, or by `kind#index`.

    Keras' counters only grow, so the order of numbers is the order of making, whatever was made before.
    """
    named = {name: thing for thing, name, number in found if number is None}
    numbered = ((number, kind, thing) for thing, kind, number in found if number is not None)
    seen: Counter[str] = Counter()
    for _, kind, thing in sorted(numbered, key=lambda each: each[0]):
        named[f"{kind}#{seen[kind]}"] = thing
        seen[kind] += 1
    return named
