"""What is wrong with a draw, or with a sample that it was applied to, in words for its author."""

from __future__ import annotations

import math
from typing import Any

from headstart.host.guard import describe
from headstart.specs import Augmentation, Transform
from headstart.testing.augmentations.drawing import Draw

FLAT = 1e-3
"""Share of the sample's area below which a draw leaves nothing to see."""


def draw_problem(augmentation: Augmentation, draw: Draw) -> str | None:
    """Why this draw gives no sound transform; None where it does."""
    try:
        drawn = augmentation.draw(*draw)
    except Exception as exc:  # of the author's code
        return f"draw{draw} raises {describe(exc)}"
    problem = _matrix_problem(drawn) if isinstance(drawn, Transform) else "that is no Transform"
    return f"draw{draw} gives {drawn}: {problem}" if problem else None


def _matrix_problem(drawn: Transform) -> str | None:
    rows = drawn.matrix
    if len(rows) != 3 or any(len(row) != 3 for row in rows):
        return "the matrix is not (3, 3)"
    if not all(isinstance(value, float | int) and math.isfinite(value) for row in rows for value in row):
        return "not all of its values are finite numbers"
    if tuple(rows[2]) != (0, 0, 1):
        return "the last row is not (0, 0, 1)"
    return "it flattens the sample to a line or a point" if abs(determinant(rows)) < FLAT else None


def determinant(matrix: Any) -> float:
    """Of the upper left 2 x 2 part: negative where a sample is mirrored."""
    return float(matrix[0][0] * matrix[1][1] - matrix[0][1] * matrix[1][0])


def array_problem(before: Any, after: Any) -> str | None:
    """How a varied array differs from the sample's in kind.

    Range: what is interpolated lies between what was there; whole numbers may be rounded by one.
    """
    if (after.shape, after.dtype) != (before.shape, before.dtype):
        return f"has the shape {after.shape} and type {after.dtype}, not {before.shape} and {before.dtype}"
    slack = 1.0 if before.dtype.kind in "iu" else 1e-3 * float(before.max() - before.min())
    low, high = float(after.min()), float(after.max())
    if not (float(before.min()) - slack <= low and high <= float(before.max()) + slack):
        return f"has values from {low:g} to {high:g}, where the sample has {before.min():g} to {before.max():g}"
    return "leaves nothing of it: every value is the same" if low == high and before.min() != before.max() else None
