"""Augmented samples: drawn for each key, then applied by the input kind; training samples only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.specs import Augmentation, InputKind, Transform

Matrix = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class View:
    """How training samples vary: what is drawn, who applies it, and the seed."""

    kind: InputKind
    augmentation: Augmentation
    seed: int


@dataclass(frozen=True)
class Composed:
    """Several augmentations, applied one after the other, as one."""

    parts: tuple[Augmentation, ...]

    def draw(self, seed: int, epoch: int, key: str) -> Transform:
        """The product of the parts' draws; each part has its own seed, so that two flips do not cancel each
        other."""
        matrix = Transform().matrix
        for position, part in enumerate(self.parts):
            drawn = part.draw(_seed_at(seed, position), epoch, key)
            if not drawn.is_identity:
                matrix = _product(matrix, drawn.matrix)
        return Transform(matrix)


def augmented(
    tensors: Mapping[str, np.ndarray], keys: Sequence[str], indices: np.ndarray, view: View, epoch: int
) -> dict[str, np.ndarray]:
    """The samples `indices` (batch,) of `tensors` (rows, ...) as varied in `epoch`: name -> (batch, ...)
    arrays.

    `keys` (rows,) name the rows. Each sample depends on (seed, epoch, key) alone, never on its batch.
    """
    batch = {name: np.array(array[indices]) for name, array in tensors.items()}
    for place, index in enumerate(indices):
        drawn = view.augmentation.draw(view.seed, epoch, keys[index])
        if drawn.is_identity:
            continue
        changed = view.kind.transform({name: array[place] for name, array in batch.items()}, drawn)
        for name, array in changed.items():
            batch[name][place] = array
    return batch


def _product(left: Matrix, right: Matrix) -> Matrix:
    """Matrices map output to input: the later transform stands right."""
    return tuple(
        (
            sum(left[row][k] * right[k][0] for k in range(3)),
            sum(left[row][k] * right[k][1] for k in range(3)),
            sum(left[row][k] * right[k][2] for k in range(3)),
        )
        for row in range(3)
    )


def _seed_at(seed: int, position: int) -> int:
    """The seed itself for the first part, so that a single augmentation draws the same alone and composed."""
    if position == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}/{position}".encode()).digest()[:4], "little")
