"""Draws rows of captioned pictures as one PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from headstart.specs import Change, Drawn, Preview, Shown
from headstart_plugins._marks import Outline, Overlay
from headstart_plugins._overlay import overlaid
from headstart_plugins.image._changes import fused


def in_words(drawn: Drawn) -> tuple[str, ...]:
    """What was drawn, in the order in which it is applied. Raises PluginError like `fused`."""
    whole = fused(drawn.changes)  # a mix places its samples itself
    erased = (f"erased: {part.fill}" for part in whole.erased)
    return (*_moved(whole.matrix), *(_coloured(each) for each in whole.colours), *erased, *_mixed(drawn))


def _mixed(drawn: Drawn) -> tuple[str, ...]:
    if len(drawn.steps) > 1:
        return (f"one of {len(drawn.steps) + 1}",)
    return tuple("mixed" if step.region is None else "cut and mixed" for step in drawn.steps)


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


def _coloured(colour: Change) -> str:
    if colour.value is None:
        return colour.name
    return f"{colour.name} {UNITS.get(colour.name, '{:.2f}').format(colour.value)}"


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


def contact_sheet(rows: Sequence[Sequence[Shown]], titles: Sequence[str]) -> Preview:
    """A PNG of equally many pictures a row, under a line of titles; below each its labels, what was drawn, its notes.

    The first column stands apart.
    """
    font = ImageFont.load_default(TEXT)
    is_marked = any(shown.marks for row in rows for shown in row)
    width, height = _shown_size(rows[0][0].tensors["image"], MARKED if is_marked else LARGE)
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
            picture = Image.fromarray(shown.tensors["image"])
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


def _caption(shown: Shown, font: Font, width: int) -> list[_Line]:
    """The lines below a picture, and their inks."""
    labels = _packed(shown.labels, ", ", font, width)[:MOST]
    told = _packed((*in_words(shown.drawn), *shown.notes), ", ", font, width)
    notes = [part for line in told for part in _packed(line.split(" "), " ", font, width)]
    return [(_cut(text, font, width), INK) for text in labels] + [(_cut(text, font, width), GREY) for text in notes]


def _shown_size(pixels: np.ndarray, largest: int) -> tuple[int, int]:
    """Width and height that pictures of this size are shown at: enlarged by a whole factor, or shrunk to `largest`."""
    height, width = pixels.shape[:2]
    factor = -(-SMALL // max(height, width))
    if factor > 1:
        return width * factor, height * factor
    ratio = min(1.0, largest / max(height, width))
    return max(1, round(width * ratio)), max(1, round(height * ratio))


def _packed(parts: Sequence[str], separator: str, font: Font, width: int) -> list[str]:
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
