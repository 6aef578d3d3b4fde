"""Draws rows of captioned pictures as one PNG: the contact sheets of input kinds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from headstart.specs import Preview
from headstart_plugins._marks import Outline, Overlay
from headstart_plugins._overlay import overlaid

SMALL, LARGE, MARKED = 120, 168, 320
"""Sides between which pictures are shown, where whole factors bring them there; those with marks may be larger."""
GAP, LINE, TEXT = 10, 16, 12
MOST = 2
"""Lines below a picture for its labels; the notes on it take what they need."""
PAPER, INK, GREY, RULE = (255, 255, 255), (20, 20, 20), (105, 105, 105), (200, 200, 200)
MARK_TEXT = 10
MARKS = (
    (255, 225, 25),
    (0, 230, 255),
    (255, 120, 120),
    (120, 255, 120),
    (255, 170, 40),
    (220, 160, 255),
    (255, 255, 255),
)
"""Colours of outlines, light, so that their names can be read on a dark edge."""
CUT = "..."
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Line = tuple[str, tuple[int, int, int]]
"""A text and its ink."""


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet: RGB `pixels` (height, width, 3) uint8, the `labels` below it, then what is `told` of it,
    such as what was drawn; `marks` are drawn over it."""

    pixels: np.ndarray
    labels: tuple[str, ...]
    told: tuple[str, ...] = ()
    marks: tuple[Any, ...] = ()


def contact_sheet(rows: Sequence[Sequence[Tile]], titles: Sequence[str], largest: int = LARGE) -> Preview:
    """A PNG of equally many pictures a row, under a line of titles; below each its labels, and what is told of it.

    The first column stands apart. Pictures are shown at the size of the first, its longer side `largest` at most.
    """
    font = ImageFont.load_default(TEXT)
    is_marked = any(shown.marks for row in rows for shown in row)
    width, height = _shown_size(rows[0][0].pixels, MARKED if is_marked else largest)
    captions = [[_caption(shown, font, width) for shown in row] for row in rows]
    lines = max(len(caption) for row in captions for caption in row)
    lefts = [GAP + column * (width + GAP) + (GAP if column else 0) for column in range(len(titles) + 1)]
    tops = [LINE + 2 * GAP + row * (height + lines * LINE + GAP) for row in range(len(rows) + 1)]
    sheet = Image.new("RGB", (lefts[-1], tops[-1]), PAPER)
    canvas = ImageDraw.Draw(sheet)
    canvas.line([(lefts[1] - GAP, GAP), (lefts[1] - GAP, sheet.height - GAP)], RULE)
    for left, title in zip(lefts, titles, strict=False):
        canvas.text((left, GAP), title, GREY, font)
    for top, row, told in zip(tops, rows, captions, strict=False):
        for left, shown, caption in zip(lefts, row, told, strict=False):
            picture = Image.fromarray(shown.pixels)
            resampling = Image.Resampling.NEAREST if width > picture.width else Image.Resampling.LANCZOS
            marked = picture.resize((width, height), resampling)
            _mark(marked, shown.marks)
            sheet.paste(marked, (left, top))
            canvas.rectangle([left - 1, top - 1, left + width, top + height], outline=RULE)
            for number, (text, ink) in enumerate(caption):
                canvas.text((left, top + height + 2 + number * LINE), text, ink, font)
    return png(sheet)


def _mark(picture: Image.Image, marks: Sequence[Any]) -> None:
    """Draw the masks among `marks` over the picture, then the outlines: all boxes first, then what they are called."""
    for overlay in (each for each in marks if isinstance(each, Overlay)):
        picture.paste(Image.fromarray(overlaid(np.asarray(picture), overlay.mask, overlay.colours)))
    canvas, font = ImageDraw.Draw(picture), ImageFont.load_default(MARK_TEXT)
    placed = [(mark, _within(mark, picture)) for mark in marks if isinstance(mark, Outline)]
    for mark, box in placed:
        canvas.rectangle(box, outline=MARKS[mark.colour % len(MARKS)])
    for mark, (left, top, _, bottom) in placed:
        if bottom - top < 3 * MARK_TEXT:  # it would hide what is in the box
            top = top - MARK_TEXT - 3 if top > MARK_TEXT + 3 else bottom
        canvas.text(
            (left + 2, min(top, picture.height - MARK_TEXT - 2)),
            _cut(mark.text, font, max(picture.width - left - 2, MARK_TEXT)),
            MARKS[mark.colour % len(MARKS)],
            font,
            stroke_width=1,
            stroke_fill=INK,
        )


def _within(mark: Outline, picture: Image.Image) -> tuple[int, int, int, int]:
    """The pixels that a box's outline is drawn on, at least one."""
    left, top, right, bottom = (
        round(edge * side) for edge, side in zip(mark.corners, (*picture.size, *picture.size), strict=True)
    )
    left, top = (min(max(edge, 0), side - 1) for edge, side in zip((left, top), picture.size, strict=True))
    right, bottom = (min(edge, side) - 1 for edge, side in zip((right, bottom), picture.size, strict=True))
    return left, top, max(left, right), max(top, bottom)


def png(picture: Image.Image) -> Preview:
    """A picture as reports show it."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return Preview("image/png", stream.getvalue())


def jpeg(picture: Image.Image) -> Preview:
    """The same, where a larger one should not be a large file."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    return Preview("image/jpeg", stream.getvalue())


def _caption(shown: Tile, font: Font, width: int) -> list[_Line]:
    """The lines below a picture, and their inks."""
    labels = packed(shown.labels, ", ", font, width)[:MOST]
    told = packed(shown.told, ", ", font, width)
    notes = [part for line in told for part in packed(line.split(" "), " ", font, width)]
    return [(_cut(text, font, width), INK) for text in labels] + [(_cut(text, font, width), GREY) for text in notes]


def _shown_size(pixels: np.ndarray, largest: int) -> tuple[int, int]:
    """Width and height that pictures of this size are shown at: enlarged by a whole factor, or shrunk to `largest`."""
    height, width = pixels.shape[:2]
    factor = -(-SMALL // max(height, width))
    if factor > 1:
        return width * factor, height * factor
    ratio = min(1.0, largest / max(height, width))
    return max(1, round(width * ratio)), max(1, round(height * ratio))


def packed(parts: Sequence[str], separator: str, font: Font, width: int) -> list[str]:
    """Parts joined by the separator, as many a line as fit."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}{separator}{part}" if lines else part
        if lines and font.getlength(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def _cut(text: str, font: Font, width: int) -> str:
    """`text` without control characters, its end cut off where it is wider than `width` pixels."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    if font.getlength(shown) <= width:
        return shown
    while shown and font.getlength(shown + CUT) > width:
        shown = shown[:-1]
    return shown + CUT
