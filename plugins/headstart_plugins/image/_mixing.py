"""Parts of a picture that are erased, and two pictures as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.specs import Mix
from headstart_plugins.image._changes import Box, Erased, parse_box


def erased(pixels: np.ndarray, parts: Sequence[Erased]) -> np.ndarray:
    """`pixels` (height, width, 3) uint8, in place, with `parts` overwritten.

    The mean is that of the picture as it came, a channel, rounded half to even. Noise is evenly distributed from 0 to
    255 in each channel: the bytes of Philox keyed with the seed, whose raw stream numpy keeps.
    """
    if not parts:
        return pixels
    mean = np.rint(pixels.mean(axis=(0, 1))).astype(np.uint8)
    for part in parts:
        inside = pixels[inner(part.box, pixels.shape[0], pixels.shape[1])]
        inside[:] = mean if part.fill == "mean" else _noise(inside.shape, part.seed)
    return pixels


def mixed(pixels: np.ndarray, partner: np.ndarray, mix: Mix) -> np.ndarray:
    """Two pictures (height, width, 3) uint8 as a new one.

    The region is a box: `partner` inside of it, to the pixel. Without one: share * pixels + (1 - share) * partner in
    float64, rounded half to even.
    """
    if mix.region is not None:
        made = pixels.copy()
        inside = inner(parse_box(mix.region, "mix"), *pixels.shape[:2])
        made[inside] = partner[inside]
        return made
    return np.rint(mix.share * pixels.astype(np.float64) + (1 - mix.share) * partner).astype(np.uint8)


def own_share(mix: Mix, height: int, width: int) -> float:
    """The share of the first picture in what `mixed` makes: of its pixels where there is a box."""
    if mix.region is None:
        return mix.share
    down, across = inner(parse_box(mix.region, "mix"), height, width)
    pasted = int(down.stop - down.start) * int(across.stop - across.start)
    return 1 - pasted / (height * width)


def inner(box: Box, height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns of a box: its edges brought to the nearest edge between pixels, cut at the border."""
    left, top, right, bottom = box
    return _pixels(top, bottom, height), _pixels(left, right, width)


def _pixels(low: float, high: float, side: int) -> slice:
    start, stop = (min(max(round((edge + 0.5) * side), 0), side) for edge in (low, high))
    return slice(start, max(start, stop))


def _noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    count = int(np.prod(shape))
    raw = np.random.Philox(key=seed).random_raw(-(-count // 8)) if count else np.zeros(0, np.uint64)
    return raw.astype("<u8").view(np.uint8)[:count].reshape(shape)
