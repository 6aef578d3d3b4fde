"""Masks of samples that are mixed: of each pixel the class of the sample that is seen there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.specs import Mix
from headstart_plugins._mask import VOID


def join(masks: np.ndarray, partners: Sequence[np.ndarray], mixes: Sequence[Sequence[Mix]]) -> np.ndarray:
    """See `headstart.specs.JoinsTargets`: `masks` (batch, height, width) and those of the `partners`, one for each
    step.

    Where a mix has a region, which is a box of the image kind, a partner's mask stands inside of it, to the pixel as
    there. Where two pictures shine through each other, nothing is said of pixels at which they differ: classes have no
    mean.
    """
    made = masks.copy()
    for row, steps in enumerate(mixes):
        for partner, step in zip(partners, steps, strict=False):
            own, other = made[row], partner[row]
            if step.region is not None:
                left, top, right, bottom = step.region
                inside = _pixels(top, bottom, own.shape[0]), _pixels(left, right, own.shape[1])
                own[inside] = other[inside]
            elif 0 < step.share < 1:
                own[own != other] = VOID
            elif step.share == 0:
                own[:] = other
    return made


def _pixels(low: float, high: float, side: int) -> slice:
    """The pixels of a side whose box, from -0.5 to 0.5, begins and ends there, brought to the nearest edges."""
    start, stop = (min(max(round((edge + 0.5) * side), 0), side) for edge in (low, high))
    return slice(start, max(start, stop))
