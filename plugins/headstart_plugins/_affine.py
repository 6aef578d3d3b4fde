"""Affine maps of pictures as plain numbers: homogeneous (x, y, 1) of the output to that of the input."""

from __future__ import annotations

Matrix = tuple[tuple[float, float, float], ...]
"""Three rows; the picture's centre is the origin, x runs to the right and y down, each side from -0.5 to 0.5."""
STILL: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
"""The map that moves nothing."""


def after(matrix: Matrix, later: Matrix) -> Matrix:
    """Both as one, `later` applied last: from output to input it stands right in the product."""
    if later == STILL:
        return matrix
    return tuple(
        (
            sum(row[k] * later[k][0] for k in range(3)),
            sum(row[k] * later[k][1] for k in range(3)),
            sum(row[k] * later[k][2] for k in range(3)),
        )
        for row in matrix
    )
