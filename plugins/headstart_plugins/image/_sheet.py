"""Draws rows of captioned pictures as one PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from headstart.specs import Change, Drawn, Preview, Shown
from headstart_plugins.image._changes import fused


def in_words(drawn: Drawn) -> tuple[str, ...]:
    """What was drawn, in the order in which it is applied. Raises PluginError like `fused`."""
    whole = fused(drawn.changes)
    erased = (f"erased: {part.fill}" for part in whole.erased)
    mixed = () if drawn.mix is None else ("mixed" if drawn.mix.region is None else "cut and mixed",)
    return (*_moved(whole.matrix), *(_coloured(each) for each in whole.colours), *erased, *mixed)


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


def contact_sheet(rows: Sequence[Sequence[Shown]], titles: Sequence[str]) -> Preview:
    """A PNG of equally many pictures a row, under a line of titles; below each its labels, what was drawn, its notes.

    The first column stands apart.
    """
    font = ImageFont.load_default(TEXT)
    width, height = _shown_size(rows[0][0].tensors["image"])
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
            sheet.paste(picture.resize((width, height), resampling), (left, top))
            canvas.rectangle([left - 1, top - 1, left + width, top + height], outline=RULE)
            for number, (text, ink) in enumerate(caption):
                canvas.text((left, top + height + 2 + number * LINE), text, ink, font)
    return png(sheet)


def png(picture: Image.Image) -> Preview:
    """A picture as reports show it."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return Preview("image/png", stream.getvalue())


def _caption(shown: Shown, font: Font, width: int) -> list[_Line]:
    """The lines below a picture, and their inks."""
    labels = _packed(shown.labels, ", ", font, width)[:MOST]
    told = _packed((*in_words(shown.drawn), *shown.notes), ", ", font, width)
    notes = [part for line in told for part in _packed(line.split(" "), " ", font, width)]
    return [(_cut(text, font, width), INK) for text in labels] + [(_cut(text, font, width), GREY) for text in notes]


def _shown_size(pixels: np.ndarray) -> tuple[int, int]:
    """Width and height that pictures of this size are shown at: enlarged by a whole factor, or shrunk."""
    height, width = pixels.shape[:2]
    factor = -(-SMALL // max(height, width))
    if factor > 1:
        return width * factor, height * factor
    ratio = min(1.0, LARGE / max(height, width))
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
