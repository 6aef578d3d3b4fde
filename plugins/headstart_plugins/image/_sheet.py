"""Draws rows of captioned pictures as one PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from headstart.specs import Drawn, Mix, Preview, Shown
from headstart_plugins.image._changes import BARE, Colour, fused


def in_words(drawn: Drawn) -> tuple[str, ...]:
    """What was drawn, in the order in which it is applied. Raises PluginError like `fused`."""
    whole = fused(drawn.changes)
    erased = tuple(f"erased: {part.fill}" for part in whole.erased)
    return (*_moved(whole.matrix), *(_coloured(each) for each in whole.colours), *erased, *_mixed(drawn.mix))


def _moved(matrix: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """An affine map as a mirror, a shear or turn or zoom, and a shift; of the picture, whence the opposite signs: but
    what was mirrored comes from the other side."""
    (a, b, c), (d, e, f) = matrix[:2]
    mirrored = ("mirrored",) if a * e - b * d < 0 else ()
    a, d = (-a, -d) if mirrored else (a, d)
    across, down = round(-100 * c), round(-100 * f)
    shift = (f"shift {-across if mirrored else across:+} {down:+} %",) if across or down else ()
    return (*mirrored, *_bent(a, b, d, e), *shift)


def _bent(a: float, b: float, d: float, e: float) -> tuple[str, ...]:
    if max(abs(a - 1), abs(b), abs(d), abs(e - 1)) < 1e-3:
        return ()
    if max(abs(a - e), abs(b + d), abs(math.hypot(a, d) - 1)) < 1e-3:
        return (f"turn {-math.degrees(math.atan2(d, a)):+.0f}°",)
    if max(abs(a - 1), abs(e - 1)) < 1e-3 and min(abs(b), abs(d)) < 1e-3:
        return (f"shear {-(b + d):+.2f}",)
    if max(abs(b), abs(d)) < 0.01:
        return (f"zoom {1 / a:.2f} x {1 / e:.2f}",)
    return (f"affine {a:.2f} {b:.2f} {d:.2f} {e:.2f}",)


UNITS: Mapping[str, str] = {"posterize": "{:.0f} bits", "solarize": "{:.0f}", "hue": "{:+.2f}"}


def _coloured(colour: Colour) -> str:
    if colour.name in BARE:
        return colour.name
    return f"{colour.name} {UNITS.get(colour.name, '{:.2f}').format(colour.strength)}"


def _mixed(mix: Mix | None) -> tuple[str, ...]:
    return () if mix is None else ("mixed",) if mix.region is None else ("cut and mixed",)


SMALL, LARGE = 120, 168
"""Sides between which pictures are shown, where whole factors bring them there."""
GAP, LINE, TEXT = 10, 16, 12
MOST = 2
"""Lines below a picture for its labels; the notes on it take what they need."""
PAPER, INK, GREY, RULE = (255, 255, 255), (20, 20, 20), (105, 105, 105), (200, 200, 200)
CUT = "..."
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Line = tuple[str, tuple[int, int, int]]
"""A text and its ink."""


@dataclass(frozen=True)
class Cell:
    """One picture (height, width, 3) uint8, its labels, and notes on it."""

    pixels: np.ndarray
    labels: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Layout:
    """How large pictures are shown, and how many lines stand below each."""

    width: int
    height: int
    lines: int
    font: Font

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Left and top of a picture; the first column stands apart."""
        left = GAP + column * (self.width + GAP) + (GAP if column else 0)
        return left, LINE + 2 * GAP + row * (self.height + self.lines * LINE + GAP)


def contact_sheet(rows: Sequence[Sequence[Shown]], titles: Sequence[str]) -> Preview:
    """The pictures with their labels, what was drawn for each, and its notes, as a PNG."""
    cells = [
        [Cell(shown.tensors["image"], shown.labels, (*in_words(shown.drawn), *shown.notes)) for shown in row]
        for row in rows
    ]
    return Preview("image/png", draw_sheet(cells, titles))


def draw_sheet(rows: Sequence[Sequence[Cell]], titles: Sequence[str]) -> bytes:
    """A PNG of equally many cells a row, under a line of titles; the first column stands apart."""
    font = ImageFont.load_default(TEXT)
    width, height = _shown_size(rows[0][0].pixels)
    captions = [[_caption(cell, font, width) for cell in row] for row in rows]
    layout = _Layout(width, height, max(len(caption) for row in captions for caption in row), font)
    sheet = Image.new("RGB", layout.corner(len(rows), len(titles)), PAPER)
    canvas = ImageDraw.Draw(sheet)
    rule = layout.corner(0, 1)[0] - GAP
    canvas.line([(rule, GAP), (rule, sheet.height - GAP)], RULE)
    for column, title in enumerate(titles):
        canvas.text((layout.corner(0, column)[0], GAP), title, GREY, font)
    for line, row in enumerate(rows):
        for column, cell in enumerate(row):
            _draw_cell(sheet, cell, captions[line][column], layout.corner(line, column), layout)
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _draw_cell(
    sheet: Image.Image, cell: Cell, caption: Sequence[_Line], corner: tuple[int, int], layout: _Layout
) -> None:
    left, top = corner
    canvas = ImageDraw.Draw(sheet)
    size = (layout.width, layout.height)
    picture = Image.fromarray(cell.pixels)
    larger = size[0] > picture.width
    sheet.paste(picture.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS), corner)
    canvas.rectangle([left - 1, top - 1, left + layout.width, top + layout.height], outline=RULE)
    for number, (text, ink) in enumerate(caption):
        canvas.text((left, top + layout.height + 2 + number * LINE), text, ink, layout.font)


def _caption(cell: Cell, font: Font, width: int) -> list[_Line]:
    """The lines below a picture, and their inks."""
    labels = _wrapped(cell.labels, font, width)[:MOST]
    notes = [part for line in _wrapped(cell.notes, font, width) for part in _broken(line, font, width)]
    return [(_cut(text, font, width), INK) for text in labels] + [(_cut(text, font, width), GREY) for text in notes]


def _shown_size(pixels: np.ndarray) -> tuple[int, int]:
    """Width and height that pictures of this size are shown at: enlarged by a whole factor, or shrunk."""
    height, width = pixels.shape[:2]
    factor = -(-SMALL // max(height, width))
    if factor > 1:
        return width * factor, height * factor
    ratio = min(1.0, LARGE / max(height, width))
    return max(1, round(width * ratio)), max(1, round(height * ratio))


def _wrapped(notes: Sequence[str], font: Font, width: int) -> list[str]:
    """Notes joined by commas, as many a line as fit."""
    lines: list[str] = []
    for note in notes:
        joined = f"{lines[-1]}, {note}" if lines else note
        if lines and font.getlength(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(note)
    return lines


def _broken(line: str, font: Font, width: int) -> list[str]:
    """A line in parts that fit, broken at spaces."""
    parts = [""]
    for word in line.split(" "):
        longer = f"{parts[-1]} {word}".lstrip()
        if parts[-1] and font.getlength(longer) > width:
            parts.append(word)
        else:
            parts[-1] = longer
    return parts


def _cut(text: str, font: Font, width: int) -> str:
    """`text` without control characters, its end cut off where it is wider than `width` pixels."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    if font.getlength(shown) <= width:
        return shown
    while shown and font.getlength(shown + CUT) > width:
        shown = shown[:-1]
    return shown + CUT
