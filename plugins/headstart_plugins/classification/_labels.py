"""Class names: their order, and the way from a label to its index."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.errors import DataError
from headstart.suggest import suggestion
from headstart_plugins._label_names import natural_order, stored_names


def classes_of(targets: Sequence[str]) -> tuple[str, ...]:
    """The classes among `targets`, in natural order.

    Raises DataError for an empty name, fewer than two classes, or names that differ only by case or
    Unicode form.
    """
    classes = tuple(sorted(set(targets), key=natural_order))
    if any(not name.strip() for name in classes):
        raise DataError(
            "a record has an empty label; expected the name of a class",
            hint="fill in the label or leave the row out",
        )
    if len(classes) < 2:
        received = f"one class, {classes[0]!r}" if classes else "no labels"
        raise DataError(
            f"classification needs two classes or more, and the data has {received}",
            hint="check that each class has a folder, or a label column, of its own",
        )
    _refuse_lookalikes(classes)
    return classes


def stored_classes(labels: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes in labels.json, in stored order. Raises DataError where they are no list of names."""
    return stored_names(labels, fewest=2)


def encode(classes: Sequence[str], targets: Sequence[str], keys: Sequence[str]) -> np.ndarray:
    """Labels to (batch,) int32 in [0, classes). Raises DataError naming the key of an unknown label."""
    index = {name: position for position, name in enumerate(classes)}
    for target, key in zip(targets, keys, strict=True):
        if target not in index:
            raise DataError(
                f"{key}: label {target!r} is none of the {len(classes)} known classes",
                hint=suggestion(target, classes),
            )
    return np.array([index[target] for target in targets], dtype=np.int32)


def _refuse_lookalikes(classes: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in classes:
        folded = unicodedata.normalize("NFKC", name).casefold().strip()
        if folded in seen:
            raise DataError(
                f"classes {seen[folded]!r} and {name!r} differ only by case, spaces or Unicode form",
                hint="give both the same spelling, or names that a reader can tell apart",
            )
        seen[folded] = name
