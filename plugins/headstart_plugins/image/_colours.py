"""Changes of a picture's values in place: colours, as Pillow makes them, and parts that are erased."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from headstart.specs import Change
from headstart_plugins.image._changes import Erased
from headstart_plugins.image._geometry import inner

TURN = 256
"""Pillow's hues: a full circle."""


def _shifted_hue(picture: Image.Image, share: float) -> Image.Image:
    """Hues moved by a share of the full circle, to the nearest of 256; black, white and grey stay."""
    hue, saturation, value = picture.convert("HSV").split()
    steps = round(share * TURN) % TURN
    moved = Image.fromarray((np.asarray(hue).astype(np.int32) + steps).astype(np.uint8))
    return Image.merge("HSV", (moved, saturation, value)).convert("RGB")


COLOURS: Mapping[str, Callable[[Image.Image, Any], Image.Image]] = {
    "brightness": lambda picture, factor: ImageEnhance.Brightness(picture).enhance(factor),
    "contrast": lambda picture, factor: ImageEnhance.Contrast(picture).enhance(factor),
    "saturation": lambda picture, factor: ImageEnhance.Color(picture).enhance(factor),
    "sharpness": lambda picture, factor: ImageEnhance.Sharpness(picture).enhance(factor),
    "hue": _shifted_hue,
    "posterize": lambda picture, bits: ImageOps.posterize(picture, int(bits)),
    "solarize": lambda picture, threshold: ImageOps.solarize(picture, int(threshold)),
    "autocontrast": lambda picture, _: ImageOps.autocontrast(picture),
    "equalize": lambda picture, _: ImageOps.equalize(picture),
    "invert": lambda picture, _: ImageOps.invert(picture),
}
"""What each change is; the strengths are those of `image.CHANGES`, in Pillow's own units but for hue's."""


def coloured(pixels: np.ndarray, colours: Sequence[Change]) -> np.ndarray:
    """`pixels` (height, width, 3) uint8 after each change in turn, which rounds to whole grey levels each time."""
    if not colours:
        return pixels
    picture = Image.fromarray(pixels)
    for colour in colours:
        picture = COLOURS[colour.name](picture, colour.value)
    return np.array(picture)


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


def _noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    count = int(np.prod(shape))
    raw = np.random.Philox(key=seed).random_raw(-(-count // 8)) if count else np.zeros(0, np.uint64)
    return raw.astype("<u8").view(np.uint8)[:count].reshape(shape)
