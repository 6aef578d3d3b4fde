"""Named arrays of the same rows: samples, encoded targets, and what a head gives for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.specs.base import Batch


def take(batch: Batch, rows: np.ndarray | slice) -> dict[str, np.ndarray]:
    """These rows of every array."""
    return {name: array[rows] for name, array in batch.items()}


def count_rows(batch: Batch) -> int:
    """How many rows there are. Raises StopIteration for a batch without arrays."""
    return len(next(iter(batch.values())))


def concatenated(parts: Sequence[Batch]) -> dict[str, np.ndarray]:
    """The rows of all parts, one part after the other; every part has the same names. A single part is not copied."""
    if len(parts) == 1:
        return dict(parts[0])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
