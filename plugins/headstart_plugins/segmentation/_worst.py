"""The pictures with the lowest scores, kept small enough for a report."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart_plugins.segmentation._palette import Palette

KEPT = 24
"""Pictures of which masks are kept: as many as a report may show by default, twice."""
SIDE = 240
"""Pixels of the longer side of a mask that is kept, at most."""
DIGITS = 4


@dataclass(frozen=True)
class BadPicture:
    """One picture: its mean IoU over the classes that it has, the share of its pixels that are `wrong`, its size in
    pixels, and both masks as PNG, made smaller."""

    score: float
    wrong: float
    key: str
    size: tuple[int, int]
    truth: bytes
    found: bytes


@dataclass(frozen=True)
class Worst:
    """The worst of the pictures so far, the worst first; of equal ones the earlier."""

    pictures: tuple[BadPicture, ...] = ()

    def is_among(self, score: float) -> bool:
        """Whether a picture with this score would be kept."""
        return len(self.pictures) < KEPT or score < self.pictures[-1].score

    def merged(self, other: Worst) -> Worst:
        """Those of both, the others behind."""
        return Worst(tuple(sorted((*self.pictures, *other.pictures), key=_score)[:KEPT]))

    def described(self) -> list[dict[str, Any]]:
        """As plain values: `size` is width and height, `truth` and `found` are PNG files in base64, see-through where
        nothing is to be seen."""
        return [
            {
                "key": each.key,
                "size": list(each.size),
                "miou": round(each.score, DIGITS),
                "wrong": round(each.wrong, DIGITS),
                "truth": base64.b64encode(each.truth).decode("ascii"),
                "found": base64.b64encode(each.found).decode("ascii"),
            }
            for each in self.pictures
        ]


def bad_picture(score: float, wrong: float, key: str, masks: tuple[np.ndarray, np.ndarray], palette: Palette) -> Worst:
    """One picture alone, of its `masks`, true and found (height, width)."""
    height, width = masks[0].shape
    step = -(-max(height, width) // SIDE)
    small = (np.ascontiguousarray(mask[step // 2 :: step, step // 2 :: step]) for mask in masks)
    truth, found = (palette.png(mask, see_through=True) for mask in small)
    return Worst((BadPicture(score, wrong, key, (width, height), truth, found),))


def _score(picture: BadPicture) -> float:
    return picture.score
