"""Boxes of a picture as plain arrays: what annotation files give, tasks encode and evaluators score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
