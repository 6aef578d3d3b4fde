"""Masks of a picture as plain arrays: what mask files give, tasks encode and evaluators score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # declarations read VOID, and load no numpy
    import numpy as np

VOID = 255
"""The place of no class: pixels that nothing is said of, neither trained on nor scored."""
MOST_CLASSES = 254
"""So many classes a mask can tell apart, in bytes and beside VOID."""


@dataclass(frozen=True)
class Mask:
    """The class of each pixel of one picture.

    `classes` (height, width) uint8 are places in `names`, VOID where nothing is said; in pixels of the upright picture.
    `names` are all classes of the data in their order, the same in every record, at most MOST_CLASSES; `colours` are
    the user's own palette, one of each name, where the files have one.
    """

    classes: np.ndarray
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...] | None = None
