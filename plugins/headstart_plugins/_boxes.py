"""Boxes of a picture as plain arrays: what annotation files give, tasks encode and evaluators score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_LEFT = 0.25
"""A box of which a smaller share of its area is left where a picture is moved or cropped is no target."""


@dataclass(frozen=True)
class Boxes:
    """The annotated objects of one picture, in the order of its file; a picture may have none.

    `corners` (box, 4) float64 are left, top, right and bottom in pixels of the upright picture, whose own corners are
    (0, 0) and (width, height); `classes` names each box; `areas` (box,) float64 are square pixels as the file states
    them, or those of the box. `crowd` (box,) bool marks regions of many objects, COCO's `iscrowd`, and `difficult`
    (box,) bool what Pascal VOC leaves out of its measure.
    """

    corners: np.ndarray
    classes: tuple[str, ...]
    areas: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray


@dataclass(frozen=True)
class Detections:
    """What was found in one picture, the surest first.

    `corners` (box, 4) float64 as in `Boxes`; `scores` (box,) float64 in [0, 1]; `classes` (box,) int64 are places in
    the task's list of class names.
    """

    corners: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def cut_to_input(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`boxes` (box, 4), shares of the input's width and height, cut to 0..1; and the share (box,) of each one's area
    that is left."""
    cut = np.clip(boxes, 0.0, 1.0)
    areas, inside = (np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (boxes, cut))
    return cut, np.divide(inside, areas, out=np.zeros_like(areas), where=areas > 0)
