"""The cells that answer: where they are, what their sides mean, and how boxes overlap; numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

STRIDES = (8, 16, 32)
STEPS = 11
"""Places of the distribution of a side: 0 to 10 strides from a cell's centre."""


@dataclass(frozen=True)
class Cells:
    """All cells of an input, by stride and row by row: `centres` (position, 2) float32, x and y in pixels of the input,
    and `strides` (position,) float32. `size` is the input's (height, width)."""

    size: tuple[int, int]
    centres: np.ndarray
    strides: np.ndarray

    @property
    def extent(self) -> np.ndarray:
        """(4,) float32: width, height, width, height; what shares of the input are multiplied by."""
        return np.array(self.size[::-1] * 2, np.float32)


def map_shapes(size: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """The (rows, columns) of each map of an input (height, width): what does not fill a cell is one too."""
    height, width = size
    return tuple((-(-height // stride), -(-width // stride)) for stride in STRIDES)


@lru_cache(maxsize=8)
def cells_of(size: tuple[int, int]) -> Cells:
    """The cells of an input (height, width): cell (x, y) of a map has its centre at ((x + 0.5) * stride, (y + 0.5) *
    stride)."""
    centres, strides = [], []
    for stride, (rows, columns) in zip(STRIDES, map_shapes(size), strict=True):
        y, x = np.mgrid[:rows, :columns].reshape(2, -1)
        centres.append((np.stack([x, y], axis=1) + 0.5) * stride)
        strides.append(np.full(rows * columns, stride))
    return Cells(size, np.concatenate(centres).astype(np.float32), np.concatenate(strides).astype(np.float32))


def areas(corners: np.ndarray) -> np.ndarray:
    """The areas (...) of boxes (..., 4): left, top, right, bottom."""
    found: np.ndarray = (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])
    return found


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4) that broadcast; 0 where both are empty."""
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = areas(one) + areas(other) - shared
    found: np.ndarray = np.divide(shared, union, out=np.zeros_like(union), where=union > 0)
    return found
