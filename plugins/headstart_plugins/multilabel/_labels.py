"""Names of labels: their order, and the way from a target to an array of zeros and ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.errors import DataError
from headstart.suggest import suggestion
from headstart_plugins._label_names import natural_order, stored_names
from headstart_plugins._target_texts import labels_of


def labels_among(targets: Sequence[str]) -> tuple[str, ...]:
    """The labels in any of `targets`, in natural order. Raises DataError where there is none."""
    found = {label for target in targets for label in labels_of(target)}
    if not found:
        raise DataError("no sample has any label", hint="check the column that holds the labels")
    return tuple(sorted(found, key=natural_order))


def stored_labels(labels: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in labels.json, in stored order. Raises DataError where they are no list of different names."""
    return stored_names(labels, fewest=1)


def encode(labels: Sequence[str], targets: Sequence[str], keys: Sequence[str]) -> np.ndarray:
    """Targets to (batch, label) float32, 1 where the label is given, else 0. Raises DataError naming the key of a
    sample with a label that is not known."""
    index = {name: position for position, name in enumerate(labels)}
    encoded = np.zeros((len(targets), len(labels)), np.float32)
    for row, (target, key) in enumerate(zip(targets, keys, strict=True)):
        for name in labels_of(target):
            if name not in index:
                raise DataError(
                    f"{key}: label {name!r} is none of the {len(labels)} known labels", hint=suggestion(name, labels)
                )
            encoded[row, index[name]] = 1.0
    return encoded
