"""Fitting a picture to a fixed shape, and moving its pixels by a matrix."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from headstart_plugins._affine import STILL, Matrix
from headstart_plugins.image._preprocess import Preprocess

RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
MAX_MARGIN = 2
"""How far beyond the picture the border is continued, in sides; farther out is the background of Pillow,
black."""


def fitted(pixels: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """`pixels` (height, width, 3) uint8 brought to the preprocess' height and width; antialiased when
    shrinking.

    pad: scaled to fit inside, centred on the background. crop: scaled to cover, the centre taken. stretch:
    both sides scaled alone.
    """
    height, width = pixels.shape[:2]
    wanted = (preprocess.width, preprocess.height)
    ratios = (wanted[0] / width, wanted[1] / height)
    if preprocess.resize == "stretch" or ratios[0] == ratios[1]:
        return _resized(pixels, wanted, preprocess)
    ratio = min(ratios) if preprocess.resize == "pad" else max(ratios)
    inner = _resized(pixels, (max(1, round(width * ratio)), max(1, round(height * ratio))), preprocess)
    return _framed(inner, preprocess)


def _resized(pixels: np.ndarray, size: tuple[int, int], preprocess: Preprocess) -> np.ndarray:
    if pixels.shape[1::-1] == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, RESAMPLING[preprocess.interpolation]))


def _framed(inner: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """`inner` centred in the wanted shape; what sticks out is cut, what is missing is background."""
    framed = np.full((preprocess.height, preprocess.width, 3), preprocess.background, np.uint8)
    target, source = [], []
    for wanted, given in zip(framed.shape[:2], inner.shape[:2], strict=True):
        start, size = abs(wanted - given) // 2, min(wanted, given)
        target.append(slice(start, start + size) if wanted > given else slice(0, size))
        source.append(slice(start, start + size) if given > wanted else slice(0, size))
    framed[tuple(target)] = inner[tuple(source)]
    return framed


def warped(pixels: np.ndarray, matrix: Matrix) -> np.ndarray:
    """`pixels` (height, width, 3) uint8 moved by an affine `matrix`, output to input, bilinear.

    Places that come from outside the picture take its nearest border pixel, as Keras' ImageDataGenerator does
    by default: no colour is invented. Flips and whole-pixel shifts are exact; in between, Pillow rounds down
    to whole grey levels.
    """
    if matrix == STILL:
        return pixels.copy()
    height, width = pixels.shape[:2]
    (a, b, c), (d, e, f) = matrix[:2]
    # In continuous pixel coordinates: (0, 0) is the top left corner of the picture.
    across = (a, b * width / height, width * (c + 0.5 - 0.5 * a - 0.5 * b))
    down = (d * height / width, e, height * (f + 0.5 - 0.5 * d - 0.5 * e))
    margin_x = _margin(across, width, height, width)
    margin_y = _margin(down, width, height, height)
    bordered = np.pad(pixels, ((margin_y, margin_y), (margin_x, margin_x), (0, 0)), mode="edge")
    data = (across[0], across[1], across[2] + margin_x, down[0], down[1], down[2] + margin_y)
    moved = Image.fromarray(bordered).transform(
        (width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR
    )
    return np.array(moved)


def _margin(row: tuple[float, float, float], width: int, height: int, side: int) -> int:
    """How many pixels beyond 0..side the corners of the output reach, and two for interpolation."""
    reached = [row[0] * x + row[1] * y + row[2] for x in (0, width) for y in (0, height)]
    beyond = max(-min(reached), max(reached) - side, 0.0)
    return min(math.ceil(beyond) + 2, MAX_MARGIN * side) if math.isfinite(beyond) else 0
