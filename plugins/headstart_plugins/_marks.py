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
class Overlay:
    """A class for each pixel: `mask` (height, width) uint8, places in `colours`, VOID where nothing is said; of any
    size, stretched over the picture."""

    mask: np.ndarray
    colours: tuple[tuple[int, int, int], ...]
