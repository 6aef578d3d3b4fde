"""Changes of a picture's values in place, as Pillow makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from headstart_plugins.image._changes import Colour

TURN = 256
"""Pillow's hues: a full circle."""


def _shifted_hue(picture: Image.Image, share: float) -> Image.Image:
    """Hues moved by a share of the full circle, to the nearest of 256; black, white and grey stay."""
    hue, saturation, value = picture.convert("HSV").split()
    steps = round(share * TURN) % TURN
    moved = Image.fromarray((np.asarray(hue).astype(np.int32) + steps).astype(np.uint8))
    return Image.merge("HSV", (moved, saturation, value)).convert("RGB")


COLOURS: Mapping[str, Callable[[Image.Image, float], Image.Image]] = {
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


def coloured(pixels: np.ndarray, colours: Sequence[Colour]) -> np.ndarray:
    """`pixels` (height, width, 3) uint8 after each change in turn, which rounds to whole grey levels each time."""
    if not colours:
        return pixels
    picture = Image.fromarray(pixels)
    for colour in colours:
        picture = COLOURS[colour.name](picture, colour.strength)
    return np.array(picture)
