"""Answers for other eyes: pictures with boxes drawn on them, and results as COCO's own tool reads them."""

from __future__ import annotations

import colorsys
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TURN = 0.381966
"""Of the circle of hues, from class to class: the golden angle, so that neighbours differ."""


def drawn_boxes(pixels: np.ndarray, boxes: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> bytes:
    """A PNG of a picture (height, width, 3) uint8 with each box, its class and score, in the colour of its class; the
    surest on top."""
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    thick = max(1, round(max(picture.size) / 400))
    font = ImageFont.load_default(max(10, round(max(picture.size) / 50)))
    for each in reversed(boxes):
        left, top, right, bottom = (round(side) for side in each["box"])
        hue = classes.index(each["class"]) * TURN % 1
        colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.9, 0.9))
        # Pillow draws the pixel at the right and lower end too.
        draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=colour, width=thick)
        words = f"{each['class']} {each['score']:.2f}"
        x0, y0, x1, y1 = draw.textbbox((0, 0), words, font=font)
        at = (max(0, min(left, picture.width - (x1 - x0) - 3)), top - (y1 - y0) - 2 if top > y1 - y0 + 2 else top)
        draw.rectangle((at[0], at[1], at[0] + x1 - x0 + 2, at[1] + y1 - y0 + 2), fill=colour)
        draw.text((at[0] + 1 - x0, at[1] + 1 - y0), words, font=font, fill=(255, 255, 255))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def coco_files(
    answers: Sequence[tuple[str, Mapping[str, Any]]], classes: Sequence[str], category_ids: Sequence[int] | None = None
) -> dict[str, bytes]:
    """`coco_results.json`, COCO's list of results: image_id, category_id, bbox (left, top, width, height in pixels) and
    score, and beside them the file's name and the class's. `coco_categories.json`, what the ids mean: the lists
    `images` and `categories` as COCO has them.

    Pictures have the `id` of their answer, which is that of an annotation file in COCO's format that names them, where
    each has another one. Else, where the names of all files end in different whole numbers without their suffix, as
    those of COCO's own pictures, these are their ids; else they are numbered from 1. Classes have their `category_ids`,
    which are those of such a file or of a published head; else they are numbered from 1, in their order. Ids of other
    annotations are those that have the same names there.
    """
    digits = [re.search(r"(\d+)$", PurePath(name).stem) for name, _ in answers]
    stated = [answer["id"] for _, answer in answers if "id" in answer]
    ended = [int(found[1]) for found in digits if found]
    counted = list(range(1, len(answers) + 1))
    ids = next(each for each in (stated, ended, counted) if len(set(each)) == len(answers))
    numbers = dict(zip(classes, category_ids or range(1, len(classes) + 1), strict=True))
    results = [
        {
            "image_id": number,
            "category_id": numbers[each["class"]],
            "bbox": _width_and_height(each["box"]),
            "score": each["score"],
            "file_name": name,
            "category": each["class"],
        }
        for number, (name, answer) in zip(ids, answers, strict=True)
        for each in answer["boxes"]
    ]
    meanings = {
        "images": [{"id": number, "file_name": name} for number, (name, _) in zip(ids, answers, strict=True)],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }
    documents = {"coco_results.json": results, "coco_categories.json": meanings}
    return {name: (json.dumps(document, indent=1) + "\n").encode("utf-8") for name, document in documents.items()}


def _width_and_height(box: Sequence[float]) -> list[float]:
    """Left, top, width and height, to a ten-thousandth of a pixel."""
    left, top, right, bottom = box
    return [round(side, 4) for side in (left, top, right - left, bottom - top)]
