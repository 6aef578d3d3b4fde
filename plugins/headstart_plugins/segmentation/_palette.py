"""The colours of classes, and masks as indexed PNG files in them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from headstart_plugins._mask import VOID

Colour = tuple[int, int, int]

VOID_COLOUR: Colour = (224, 224, 192)
"""Pascal VOC's."""
LARGEST = 256
"""Colours of an indexed PNG."""


@dataclass(frozen=True)
class Palette:
    """`classes` in their order, and the user's own `colours` of them; without any, Pascal VOC's."""

    classes: tuple[str, ...]
    colours: tuple[Colour, ...] | None = None

    @property
    def table(self) -> np.ndarray:
        """(256, 3) uint8, the colour of each value that a pixel can have."""
        table = _voc_table().copy()
        if self.colours is not None:
            table[: len(self.colours)] = self.colours
        return table

    @property
    def all_colours(self) -> tuple[Colour, ...]:
        """One of each class."""
        return self.colours or tuple(voc_colour(place) for place in range(len(self.classes)))

    @property
    def tints(self) -> np.ndarray:
        """(256,) bool: what is drawn in reports. A class whose colour is black, as a background's often is, leaves the
        picture as it is, and so does void."""
        shown = np.asarray(self.table.any(axis=1))
        shown[VOID] = False
        return shown

    def described(self) -> Mapping[str, str]:
        """The colour of each class as HTML writes it: "#800000"."""
        return {name: f"#{bytes(self.table[place]).hex()}" for place, name in enumerate(self.classes)}

    def png(self, mask: np.ndarray, *, see_through: bool = False) -> bytes:
        """`mask` (height, width) uint8 as an indexed PNG: each pixel's value is the place of its class. With
        `see_through`, what does not tint is transparent."""
        picture = Image.fromarray(mask)
        picture.putpalette(self.table.tobytes())
        stream = io.BytesIO()
        shown = {"transparency": (255 * self.tints).astype(np.uint8).tobytes()} if see_through else {}
        picture.save(stream, "PNG", **shown)
        return stream.getvalue()


@lru_cache(maxsize=1)
def _voc_table() -> np.ndarray:
    table = np.array([voc_colour(place) for place in range(LARGEST)], np.uint8)
    table[VOID] = VOID_COLOUR
    return table


def voc_colour(place: int) -> Colour:
    """Pascal VOC's colour of a class by its place: the bits of the place, dealt to red, green and blue in turn, the
    lowest to the highest bit of each (VOCdevkit's `VOClabelcolormap`); 0 is black."""
    parts = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            parts[channel] |= (place >> (3 * bit + channel) & 1) << (7 - bit)
    return parts[0], parts[1], parts[2]
