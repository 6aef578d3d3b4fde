"""Answers: a mask, how large each class is in it, and the picture with the mask on it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from headstart_plugins._heads.labels import shortest
from headstart_plugins._overlay import overlaid
from headstart_plugins.segmentation._palette import Palette

IN_FILES = MappingProxyType({"mask": ".png", "sure": ".sure.png"})
"""What files hold of an answer, see HoldsInFiles."""


def answer_of(mask: np.ndarray, sure: np.ndarray | None, classes: Sequence[str]) -> dict[str, Any]:
    """`classes`, of each class that the mask has, the largest first: its `class`, its area in `pixels` and the `share`
    of the picture; `mask` (height, width) uint8, the place of each pixel's class. With `sure` (height, width) uint8,
    255 being a probability of 1, that too, and of each class the mean `probability` of its pixels."""
    pixels = np.bincount(mask.ravel(), minlength=len(classes))
    found = []
    for place in np.argsort(-pixels, kind="stable"):
        if not pixels[place]:
            break
        area = int(pixels[place])
        found.append({"class": classes[place], "pixels": area, "share": float(shortest(np.array(area / mask.size)))})
        if sure is not None:
            mean = np.mean(sure[mask == place], dtype=np.float64) / 255
            found[-1]["probability"] = float(shortest(np.array(mean)))
    answer = {"classes": found, "mask": mask}
    return answer if sure is None else {**answer, "sure": sure}


def answer_files(answer: Mapping[str, Any], palette: Palette) -> dict[str, bytes]:
    """The mask as an indexed PNG in the colours of `palette`, and how sure its pixels are as a grey one, 255 for 1."""
    files = {IN_FILES["mask"]: palette.png(answer["mask"])}
    if "sure" in answer:
        stream = io.BytesIO()
        Image.fromarray(answer["sure"]).save(stream, "PNG")
        files[IN_FILES["sure"]] = stream.getvalue()
    return files


def drawn_mask(pixels: np.ndarray, mask: np.ndarray, palette: Palette) -> bytes:
    """A PNG of a picture (height, width, 3) uint8 in the colours of its `mask` (height, width), and below it the names
    of the classes that it has."""
    colours = palette.all_colours
    shown = Image.fromarray(overlaid(pixels, mask, colours))
    entries = [(name, colours[place]) for place, name in enumerate(palette.classes) if (mask == place).any()]
    stream = io.BytesIO()
    _with_legend(shown, entries).save(stream, "PNG")
    return stream.getvalue()


def _with_legend(picture: Image.Image, entries: Sequence[tuple[str, tuple[int, ...]]]) -> Image.Image:
    """The picture with a line or more below it: a square of each colour, and its name."""
    size = max(10, round(max(picture.size) / 40))
    font = ImageFont.load_default(size)
    gap, step = size // 2, size + size // 2
    left, line, placed = gap, 0, []
    for name, colour in entries:
        width = step + round(font.getlength(name)) + 2 * gap
        if left > gap and left + width > picture.width:
            left, line = gap, line + 1
        placed.append((left, line, name, colour))
        left += width
    whole = Image.new("RGB", (picture.width, picture.height + gap + step * (line + 1)), (255, 255, 255))
    whole.paste(picture)
    draw = ImageDraw.Draw(whole)
    for left, line, name, colour in placed:
        top = picture.height + gap + step * line
        draw.rectangle((left, top, left + size - 1, top + size - 1), fill=colour, outline=(60, 60, 60))
        draw.text((left + step, top + size / 2), name, font=font, fill=(0, 0, 0), anchor="lm")
    return whole
