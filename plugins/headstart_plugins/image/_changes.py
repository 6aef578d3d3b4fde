"""What augmentations draw for pictures, parsed and fused: one matrix, then colours, then what is erased."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.errors import PluginError
from headstart.specs import Change
from headstart_plugins._affine import STILL, Matrix, after
from headstart_plugins.image import CHANGES

Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, each side from -0.5 to 0.5; it may stick out."""
STRENGTHS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("brightness", "contrast", "saturation", "sharpness"), (0.0, math.inf)),
    "hue": (-0.5, 0.5),
    "posterize": (1.0, 8.0),
    "solarize": (0.0, 256.0),
}
"""The colours that have a strength, and where it ends."""
FILLS = ("mean", "noise")
FLAT = 1e-3
"""Share of the picture's area below which a matrix leaves nothing to see."""


@dataclass(frozen=True)
class Erased:
    """A part that is overwritten: with the picture's mean, or with noise drawn from `seed`."""

    box: Box
    fill: str
    seed: int


@dataclass(frozen=True)
class Fused:
    """Changes as the image kind applies them: moved once by the `matrix`, then `colours` in order, then `erased`.

    Those of colours have their strength as value, or none.
    """

    matrix: Matrix = STILL
    colours: tuple[Change, ...] = ()
    erased: tuple[Erased, ...] = ()


def fused(changes: Iterable[Change]) -> Fused:
    """All changes as one. Raises PluginError naming one that the image kind does not know, or whose value is odd."""
    matrix = STILL
    colours: list[Change] = []
    erased: list[Erased] = []
    for change in changes:
        if change.name == "matrix":
            matrix = after(matrix, _parse_matrix(change.value))
        elif change.name == "erase":
            erased.append(_parse_erased(change.value))
        elif change.name in CHANGES:
            _check_colour(change)
            colours.append(change)
        else:
            raise _refusal(change.name, "there is no such change of pictures", ", ".join(CHANGES))
    return Fused(matrix, tuple(colours), tuple(erased))


def parse_box(value: Any, name: str) -> Box:
    """A box. Raises PluginError naming what it belongs to, `name`, where it is none."""
    if not isinstance(value, tuple) or len(value) != 4 or not _are_numbers(value):
        raise _refusal(name, f"the box is {value!r}", "left, top, right and bottom")
    left, top, right, bottom = value
    if left > right or top > bottom:
        raise _refusal(name, f"the box is {value!r}", "left <= right and top <= bottom as left, top, right, bottom")
    return left, top, right, bottom


def determinant(matrix: Matrix) -> float:
    """Of the upper left 2 x 2 part: negative where a picture is mirrored."""
    return matrix[0][0] * matrix[1][1] - matrix[0][1] * matrix[1][0]


def _parse_matrix(value: Any) -> Matrix:
    rows = value if isinstance(value, Sequence) else ()
    if len(rows) != 3 or any(not isinstance(row, Sequence) or len(row) != 3 for row in rows):
        raise _refusal("matrix", f"the matrix is not (3, 3): {value!r}", "three rows of three numbers")
    if not _are_numbers(number for row in rows for number in row):
        raise _refusal("matrix", f"not all of its values are finite numbers: {value!r}", "three rows of three numbers")
    if tuple(rows[2]) != (0, 0, 1):
        raise _refusal("matrix", f"the last row is not (0, 0, 1): {value!r}", "an affine map")
    matrix = tuple((row[0], row[1], row[2]) for row in rows)
    if abs(determinant(matrix)) < FLAT:
        raise _refusal("matrix", f"it flattens the sample to a line or a point: {value!r}", "a map that keeps an area")
    return matrix


def _check_colour(change: Change) -> None:
    if change.name not in STRENGTHS:
        if change.value is not None:
            raise _refusal(change.name, f"its value is {change.value!r}", "none")
        return
    low, high = STRENGTHS[change.name]
    if not _are_numbers((change.value,)) or not low <= change.value <= high:
        what = f"the strength of {change.name} is {change.value!r}"
        raise _refusal(change.name, what, f"a number from {low:g} to {high:g}")


def _parse_erased(value: Any) -> Erased:
    if not isinstance(value, tuple) or len(value) != 3:
        raise _refusal("erase", f"its value is {value!r}", "(box, fill, seed)")
    box, fill, seed = value
    if fill not in FILLS:
        raise _refusal("erase", f"it erases with {fill!r}", " or ".join(FILLS))
    if not isinstance(seed, int) or not 0 <= seed <= 2**53:
        raise _refusal("erase", f"the seed of noise is {seed!r}", "a whole number from 0 to 2**53")
    return Erased(parse_box(box, "erase"), fill, seed)


def _refusal(name: str, what: str, expected: str) -> PluginError:
    return PluginError(
        f"change {name!r}: {what}; expected {expected}",
        hint="tell the author of the augmentation, or leave it out of --augment",
    )


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, float | int) and math.isfinite(value) for value in values)
