"""What contact sheets of pictures draw over them: the marks of `headstart.specs.MarksTargets` that the image kind
knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outline:
    """A box: left, top, right and bottom as shares of the picture's width and height, 0 to 1; what it is called; and
    `colour`, a place in the sheet's list of colours, which repeats."""

    corners: tuple[float, float, float, float]
    text: str
    colour: int = 0


@dataclass(frozen=True)
class Tint:
    """Colours that a picture shines through: `colours` (height, width, 3) uint8, and `shown` (height, width) bool,
    where they lie; stretched over all of it, whatever its size."""

    colours: np.ndarray
    shown: np.ndarray
