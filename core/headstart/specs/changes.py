"""What an augmentation draws for one sample, as plain numbers that are equal on every backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Matrix = tuple[tuple[float, float, float], ...]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a sample, in the coordinates of `Transform`; it may stick out."""
ColourName = Literal[
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    "hue",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
    "invert",
]


@dataclass(frozen=True)
class Change:
    """One change of a sample: a name that its input kind knows, and a plain value that means nothing to core."""

    name: str
    value: Any = None


@dataclass(frozen=True)
class Colour:
    """One change of a sample's values in place.

    `strength` is, for brightness, contrast, saturation and sharpness, the factor (>= 0; 1 changes nothing, 0 gives
    black, grey of the mean, shades of grey, blur); for hue a share of the full circle (-0.5 to 0.5); for posterize the
    bits that stay (1 to 8); for solarize the value (0 to 256) from which on values are inverted. Others have none.
    """

    name: ColourName
    strength: float = 0.0


@dataclass(frozen=True)
class Erased:
    """A part of a sample that is overwritten: with its `mean`, or with `noise` drawn from `seed` (0 to 2**53)."""

    box: Box
    fill: Literal["mean", "noise"] = "mean"
    seed: int = 0


@dataclass(frozen=True)
class Mix:
    """What another training sample contributes to one.

    `partner` in [0, 1) picks row floor(partner * count) of the training samples in their fixed order. `share` in
    [0, 1] is the sample's own. Without a `box` values are averaged with these weights; with one the partner's values
    stand inside of it, and `share` is what remains outside, before the kind rounds the box to whole elements.
    """

    partner: float
    share: float
    box: Box | None = None


@dataclass(frozen=True)
class Transform:
    """One drawn augmentation of one sample; plain numbers, equal on every backend.

    `matrix` (3, 3), row by row, maps homogeneous output coordinates (x, y, 1) to input coordinates, both with the
    sample's centre at the origin and its width and height running from -0.5 to 0.5. Then come the `colours` in order,
    the parts that are `erased`, and the `mix`. Identity leaves a sample as it is.
    """

    matrix: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    colours: tuple[Colour, ...] = ()
    erased: tuple[Erased, ...] = ()
    mix: Mix | None = None

    @property
    def is_identity(self) -> bool:
        """True where applying it would change nothing."""
        return self == Transform()

    def then(self, later: Transform) -> Transform:
        """This one and a later one as one: matrices multiplied, colours and erased parts one after the other, the mix
        that of the later where it has one. All matrices come before all colours, and those before what is erased."""
        is_moved = later.matrix != Transform().matrix
        return Transform(
            _product(self.matrix, later.matrix) if is_moved else self.matrix,  # output to input: the later stands right
            self.colours + later.colours,
            self.erased + later.erased,
            self.mix if later.mix is None else later.mix,
        )


def _product(left: Matrix, right: Matrix) -> Matrix:
    return tuple(
        (
            sum(left[row][k] * right[k][0] for k in range(3)),
            sum(left[row][k] * right[k][1] for k in range(3)),
            sum(left[row][k] * right[k][2] for k in range(3)),
        )
        for row in range(3)
    )
