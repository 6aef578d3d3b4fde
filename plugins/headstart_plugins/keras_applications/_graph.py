"""Layers of a graph under names that do not depend on what else was built in the process."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import keras


def kind_of(operation: Any) -> str:
    """The stem of the names that Keras makes for an unnamed operation, as in `batch_normalization`."""
    name = re.sub(r"\W+", "", type(operation).__name__)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def own_number(operation: Any) -> int | None:
    """The number that Keras gave an unnamed operation (0 where it wrote none); None for a given name."""
    match = re.fullmatch(re.escape(kind_of(operation)) + r"(?:_(\d+))?", operation.name)
    return int(match[1] or 0) if match else None


def stable_names(model: keras.Model) -> dict[str, Any]:
    """Operations of `model` by stable name: the given one, or `kind#index` where Keras numbered it itself.

    Keras' counters only grow, so the order of numbers is the order of making, whatever was made before.
    """
    named: dict[str, Any] = {}
    numbered: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for operation in model.operations:
        number = own_number(operation)
        if number is None:
            named[operation.name] = operation
        else:
            numbered[kind_of(operation)].append((number, operation))
    for kind, entries in numbered.items():
        for index, (_, operation) in enumerate(sorted(entries, key=lambda entry: entry[0])):
            named[f"{kind}#{index}"] = operation
    return named
