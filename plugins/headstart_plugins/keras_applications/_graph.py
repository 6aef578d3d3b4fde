"""Layers of a graph under names that do not depend on what else was built in the process."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import keras

from headstart.engine.network.keras_names import kind_of, own_number


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
