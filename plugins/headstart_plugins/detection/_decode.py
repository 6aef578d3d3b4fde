"""From a head's outputs to boxes: expectation of the sides, score threshold, suppression of doubles; numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from headstart_plugins._boxes import Detections
from headstart_plugins.detection._grid import STEPS, Cells

CANDIDATES = 1000
"""Boxes of a picture that are compared with each other, at most: the surest ones."""
MARGIN = 1e-3
"""Nats below a score's logit, more than rounding moves it."""


@dataclass(frozen=True)
class Limits:
    """Which boxes are found: those with a score of `min_score` or more, of doubles that overlap by more than `overlap`
    the surer one, and at most `most`."""

    min_score: float
    overlap: float
    most: int


def detections(
    logits: np.ndarray, sides: np.ndarray, cells: Cells, facts: Mapping[str, Any], limits: Limits
) -> Detections:
    """What was found in a picture, in its own pixels: of `logits` (position, class) and `sides` (position, 4, STEPS).

    `facts` are those of the image kind: where its pixels went in the input. Boxes are cut at the picture's border;
    those that lie outside are none. Of equal scores the first position, then the first class, comes first.
    """
    # All but a few are far below the limit, as their logits tell without an exponential each.
    near = np.flatnonzero(logits.ravel() >= special.logit(limits.min_score) - MARGIN)
    scores = special.expit(logits.ravel()[near].astype(np.float64))
    sure = np.flatnonzero(scores >= limits.min_score)
    sure = sure[np.argsort(-scores[sure], kind="stable")][:CANDIDATES]
    chosen, scores = near[sure], scores[sure]
    positions, classes = np.divmod(chosen, logits.shape[1])
    corners = to_original(expected_boxes(sides[positions], cells, positions), facts)
    seen = np.all(corners[:, 2:] > corners[:, :2], axis=1)
    corners, classes, scores = corners[seen], classes[seen], scores[seen]
    kept = without_doubles(corners, classes, limits.overlap, limits.most)
    return Detections(corners[kept], scores[kept], classes[kept].astype(np.int64))


def expected_boxes(sides: np.ndarray, cells: Cells, positions: np.ndarray) -> np.ndarray:
    """Boxes (row, 4) float64 in pixels of the input, of logits (row, 4, STEPS) at `positions` (row,)."""
    away = special.softmax(sides.astype(np.float64), axis=-1) @ np.arange(STEPS) * cells.strides[positions, None]
    centres = cells.centres[positions].astype(np.float64)
    return np.concatenate([centres - away[:, :2], centres + away[:, 2:]], axis=1)


def to_original(corners: np.ndarray, facts: Mapping[str, Any]) -> np.ndarray:
    """Corners (row, 4) in pixels of the input as those of the picture, cut at its border."""
    offset = np.array([facts["offset_x"], facts["offset_y"]] * 2)
    scale = np.array([facts["scale_x"], facts["scale_y"]] * 2)
    size = np.array([facts["width"], facts["height"]] * 2)
    found: np.ndarray = np.clip((corners - offset) / scale, 0, size)
    return found


def without_doubles(corners: np.ndarray, classes: np.ndarray, overlap: float, most: int) -> np.ndarray:
    """The rows, ascending, that greedy suppression keeps of boxes (row, 4) sorted by falling score, at most `most`.

    As torchvision's `batched_nms`: a box goes where one before it that stays, of its class, has an intersection over
    union with it above `overlap`; a pair at exactly that stays.
    """
    return _kept(corners, classes, overlap, of_one_class=True, most=most)


def one_a_thing(found: Detections, across: float) -> Detections:
    """`found` without boxes that have an intersection over union above `across` with a surer one of another class that
    stays: what looks like two things in one place is answered as the surer one."""
    kept = _kept(found.corners, found.classes, across, of_one_class=False, most=len(found.scores))
    return Detections(found.corners[kept], found.scores[kept], found.classes[kept])


def _kept(corners: np.ndarray, classes: np.ndarray, overlap: float, *, of_one_class: bool, most: int) -> np.ndarray:
    """The first row, and each behind it, `most` at most, whose box has no intersection over union above `overlap` with
    one that is kept of its own class, or else of any other class."""
    left, top, right, bottom = np.ascontiguousarray(corners.T)
    area = (right - left) * (bottom - top)
    stays = np.ones(len(corners), np.bool_)
    kept: list[int] = []
    for row in range(len(corners)):
        if len(kept) == most:
            break
        if not stays[row]:
            continue
        kept.append(row)
        rest = slice(row + 1, None)
        width = np.minimum(right[row], right[rest]) - np.maximum(left[row], left[rest])
        height = np.minimum(bottom[row], bottom[rest]) - np.maximum(top[row], top[rest])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        union = area[row] + area[rest] - shared
        share = np.divide(shared, union, out=np.zeros_like(union), where=union > 0)
        stays[rest] &= (share <= overlap) | ((classes[rest] == classes[row]) != of_one_class)
    return np.array(kept, np.int64)
