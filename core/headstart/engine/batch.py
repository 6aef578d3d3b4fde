"""Named arrays of the same rows: samples, encoded targets, and what a head gives for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.specs.base import Batch

ROOM = 6_000_000
"""Bytes of samples that a call on a processor is given at most, about: what a network makes of pictures may take 200
times as much. 32 pictures of 240 x 240 pixels, or 4 of 512 x 512."""


def take(batch: Batch, rows: np.ndarray | slice) -> dict[str, np.ndarray]:
    """These rows of every array."""
    return {name: array[rows] for name, array in batch.items()}


def count_rows(batch: Batch) -> int:
    """How many rows there are. Raises StopIteration for a batch without arrays."""
    return len(next(iter(batch.values())))


def bytes_a_row(batch: Batch) -> int:
    """What one row of all arrays takes."""
    return sum(array[:1].nbytes for array in batch.values())


def rows_within(row_bytes: int, most: int, room: int | None = None) -> int:
    """How many rows of so many bytes fit into `room`, by default what a call on a processor is given: a power of two,
    `most` at most."""
    fitting = min(most, max((ROOM if room is None else room) // max(row_bytes, 1), 1))
    return 1 << (fitting.bit_length() - 1)


def concatenated(parts: Sequence[Batch]) -> dict[str, np.ndarray]:
    """The rows of all parts, one part after the other; every part has the same names. A single part is not copied."""
    if len(parts) == 1:
        return dict(parts[0])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def filled_together(parts: Sequence[Batch]) -> dict[str, np.ndarray]:
    """As `concatenated`, of parts of which some are longer along other axes: the others are filled up with zeros."""
    if len(parts) == 1:
        return dict(parts[0])
    found = {}
    for name in parts[0]:
        shapes = [part[name].shape[1:] for part in parts]
        widest = tuple(map(max, zip(*shapes, strict=True)))
        rows = [
            np.pad(part[name], [(0, 0), *((0, most - size) for most, size in zip(widest, shape, strict=True))])
            for part, shape in zip(parts, shapes, strict=True)
        ]
        found[name] = np.concatenate(rows)
    return found
