"""Backgrounds that are drawn: a slope of two colours, clouds, some plain shapes that are nothing, and grain."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from PIL import Image, ImageDraw

CLOUDS, GRAIN, SHAPES = 60.0, 6.0, 6
"""How far clouds and grain go from the slope, in grey levels, and how many shapes there are at most."""


def background(size: int, drawn: Iterator[float]) -> Image.Image:
    """A picture (size, size) RGB from numbers in [0, 1)."""
    first, second = (np.array(list(islice(drawn, 3))) * 200 + 30 for _ in range(2))
    across, down = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size))
    lean = next(drawn)
    slope = (lean * across + (1 - lean) * down)[..., None]
    cells = 3 + int(next(drawn) * 10)
    clouds = (_noise(cells, cells, drawn).resize((size, size), Image.Resampling.BICUBIC), _noise(size, size, drawn))
    soft, grain = (np.asarray(each, np.float64) / 127.5 - 1 for each in clouds)
    pixels = first + (second - first) * slope + CLOUDS * next(drawn) * soft + GRAIN * grain
    picture = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    canvas = ImageDraw.Draw(picture, "RGBA")
    for _ in range(int(next(drawn) * (SHAPES + 1))):
        _shape(canvas, size, drawn)
    return picture


def _noise(height: int, width: int, drawn: Iterator[float]) -> Image.Image:
    """Even noise (height, width, 3) uint8 from raw bits, which numpy promises to keep."""
    bits = np.random.Philox(key=int(next(drawn) * 2**53)).random_raw(height * width)
    return Image.fromarray(bits.astype("<u8").view(np.uint8).reshape(height, width, 8)[..., :3])


def _shape(canvas: ImageDraw.ImageDraw, size: int, drawn: Iterator[float]) -> None:
    """A half transparent ellipse, rectangle or triangle, somewhere."""
    colour = (*(int(256 * next(drawn)) for _ in range(3)), 60 + int(100 * next(drawn)))
    left, top, wide, tall = (size * next(drawn) * part for part in (1.0, 1.0, 0.5, 0.5))
    box = [round(left - wide / 2), round(top - tall / 2), round(left + wide / 2), round(top + tall / 2)]
    form = int(3 * next(drawn))
    if form == 0:
        canvas.ellipse(box, fill=colour)
    elif form == 1:
        canvas.rectangle(box, fill=colour)
    else:
        canvas.polygon([(box[0], box[3]), (box[2], box[3]), (round(left), box[1])], fill=colour)
