"""Fitting a picture to a fixed shape, moving its pixels by a matrix, and the pixels of a box."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from headstart_plugins._affine import STILL, Matrix
from headstart_plugins._picture_preprocess import Preprocess
from headstart_plugins.image._changes import Box

MAX_MARGIN = 2
"""How far beyond the picture the border is continued, in sides; farther out is the background of Pillow,
black."""


def fitted(pixels: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """`pixels` (height, width, 3) uint8 brought to the preprocess' height and width; antialiased when
    shrinking.

    pad: scaled to fit inside, centred on the background. crop: scaled to cover, the centre taken. stretch:
    both sides scaled alone.
    """
    fit = fit_of(pixels.shape[0], pixels.shape[1], preprocess)
    wanted = (preprocess.width, preprocess.height)
    if fit.size == (pixels.shape[1], pixels.shape[0]) == wanted:
        return pixels
    picture = Image.fromarray(pixels)
    if picture.size != fit.size:
        picture = picture.resize(fit.size, Image.Resampling[preprocess.interpolation.upper()])
    if picture.size == wanted:
        return np.asarray(picture)
    framed = Image.new("RGB", wanted, (preprocess.background,) * 3)
    framed.paste(picture, (fit.left, fit.top))  # what sticks out is cut by Pillow
    return np.asarray(framed)


@dataclass(frozen=True)
class Fit:
    """Where a picture goes: the `size` (width, height) that it is scaled to, and where its `left` and `top` come to lie
    in the input; negative where they are cut off."""

    size: tuple[int, int]
    left: int
    top: int


def fit_of(height: int, width: int, preprocess: Preprocess) -> Fit:
    """How `fitted` brings a picture to the preprocess' height and width; an odd pixel is to the right and below."""
    wanted = (preprocess.width, preprocess.height)
    ratios = (wanted[0] / width, wanted[1] / height)
    size = wanted
    if preprocess.resize != "stretch" and ratios[0] != ratios[1]:
        ratio = min(ratios) if preprocess.resize == "pad" else max(ratios)
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    left, top = (int((whole - part) / 2) for whole, part in zip(wanted, size, strict=True))
    return Fit(size, left, top)


def starts(length: int, side: int, overlap: int) -> list[int]:
    """Where tiles begin along a side of `length` pixels: each `side` - `overlap` behind the one before, the last one
    so that it ends with the picture; 0 alone where one tile holds all."""
    last = max(length - side, 0)
    return [*range(0, last, side - overlap), last]


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
    if (b, d) == (0.0, 0.0) and (2 * margin_x > width or 2 * margin_y > height):
        return _scaled(pixels, (across[0], across[2]), (down[1], down[2]))
    bordered = np.pad(pixels, ((margin_y, margin_y), (margin_x, margin_x), (0, 0)), mode="edge")
    data = (across[0], across[1], across[2] + margin_x, down[0], down[1], down[2] + margin_y)
    moved = Image.fromarray(bordered).transform(
        (width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR
    )
    return np.array(moved)


def _scaled(pixels: np.ndarray, across: tuple[float, float], down: tuple[float, float]) -> np.ndarray:
    """`warped` of a map that scales and shifts alone (factor and offset a side, in pixels), where most of what it gives
    would come from a border many times the picture: only what comes from the picture is interpolated, and its own
    border is continued, to the same values."""
    height, width = pixels.shape[:2]
    left, wide, from_left = _touched(*across, width)
    top, tall, from_top = _touched(*down, height)
    margin_x, margin_y = (math.ceil(abs(factor)) + 2 for factor, _ in (across, down))
    bordered = np.pad(pixels, ((margin_y, margin_y), (margin_x, margin_x), (0, 0)), mode="edge")
    data = (across[0], 0.0, from_left + margin_x, 0.0, down[0], from_top + margin_y)
    moved = Image.fromarray(bordered).transform((wide, tall), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    outside = ((top, height - top - tall), (left, width - left - wide), (0, 0))
    return np.pad(np.asarray(moved), outside, mode="edge")


def _touched(factor: float, offset: float, side: int) -> tuple[int, int, float]:
    """The first of the output's pixels along a side that are taken from the picture or its border, how many are, and
    the place that the first one's edge comes from; where none is, any one, from the nearest border."""
    places = factor * (np.arange(side) + 0.5) + offset
    reach = abs(factor) + 1  # one more pixel on each side, which lies in the border wholly
    inside = np.flatnonzero((places > -reach) & (places < side + reach))
    first, count = (int(inside[0]), len(inside)) if len(inside) else (0, 1)
    return first, count, min(max(float(places[first]), -reach), side + reach) - factor / 2


def _margin(row: tuple[float, float, float], width: int, height: int, side: int) -> int:
    """How many pixels beyond 0..side the corners of the output reach, and two for interpolation."""
    reached = [row[0] * x + row[1] * y + row[2] for x in (0, width) for y in (0, height)]
    beyond = max(-min(reached), max(reached) - side, 0.0)
    return min(math.ceil(beyond) + 2, MAX_MARGIN * side) if math.isfinite(beyond) else 0


def inner(box: Box, height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns of a box: its edges brought to the nearest edge between pixels, cut at the border."""
    left, top, right, bottom = box
    return _pixels(top, bottom, height), _pixels(left, right, width)


def _pixels(low: float, high: float, side: int) -> slice:
    start, stop = (min(max(round((edge + 0.5) * side), 0), side) for edge in (low, high))
    return slice(start, max(start, stop))
