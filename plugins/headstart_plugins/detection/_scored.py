"""What was found beside what is true: for metrics, and for the threshold of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart.specs import Batch, Evaluation, Facts
from headstart_plugins._boxes import Boxes, Detections
from headstart_plugins.detection._decode import Limits, detections, one_a_thing
from headstart_plugins.detection._evaluate import BoxEvaluator
from headstart_plugins.detection._grid import cells_of, overlaps

HIT = 0.5
"""Intersection over union from which a box counts as found, where a threshold is chosen."""


Find = Callable[[Batch, Sequence[Facts]], list[Detections]]
"""What is found in some pictures, of outputs and facts of them."""


class DetectionEvaluator:
    """Finds the boxes of each picture, and has them scored in pixels of the upright picture; at `threshold` where a
    measure needs one."""

    def __init__(self, classes: Sequence[str], find: Find, *, voc: bool, threshold: float) -> None:
        self._classes, self._find = tuple(classes), find
        self._boxes = BoxEvaluator(self._classes, voc=voc, limits=threshold)

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        for row, (found, fact) in enumerate(zip(self._find(outputs, facts), facts, strict=True)):
            size = (fact["width"], fact["height"])
            self._boxes.add(truth_of(targets, row, self._classes), found, key=fact.get("key", ""), size=size)

    def merge(self, other: Any) -> None:
        """See `headstart.specs.Evaluator`."""
        self._boxes.merge(other._boxes)

    def metrics(self) -> Mapping[str, float]:
        """Those of `BoxEvaluator`."""
        return self._boxes.metrics()

    def result(self) -> Evaluation:
        """That of `BoxEvaluator`."""
        return self._boxes.result()


class LossAlone:
    """A running evaluator without metrics of its own: the loss is added to what it knows."""

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """Nothing to do."""

    def merge(self, other: Any) -> None:
        """Nothing to do."""

    def metrics(self) -> Mapping[str, float]:
        """None."""
        return {}

    def result(self) -> Evaluation:
        """Without metrics."""
        return Evaluation({})

    def state(self) -> Mapping[str, np.ndarray]:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Nothing to do."""


class ThresholdCalibrator:
    """Keeps the score of each box that would be answered, and whether it is one that is there."""

    def __init__(self, classes: Sequence[str], limits: Limits, across: float) -> None:
        self._classes, self._limits, self._across = classes, limits, across
        self._scores: list[np.ndarray] = []
        self._hits: list[np.ndarray] = []
        self._true = 0

    def update(self, targets: Batch, outputs: Batch) -> None:
        """Add rows. Boxes are compared in pixels of the input; what lies in crowds or on difficult boxes counts for
        nothing."""
        for row in range(len(targets["size"])):
            height, width = (int(side) for side in targets["size"][row])
            facts = {"height": height, "width": width, "offset_x": 0, "offset_y": 0, "scale_x": 1, "scale_y": 1}
            cells = cells_of((height, width))
            found = detections(outputs["classes"][row], outputs["sides"][row], cells, facts, self._limits)
            found = one_a_thing(found, self._across)
            valid = targets["valid"][row]
            corners = targets["boxes"][row, valid].astype(np.float64) * cells.extent
            is_object = ~(targets["crowd"] | targets["difficult"])[row, valid]
            hits, counts = _hits(found, corners, targets["classes"][row, valid], is_object)
            self._scores.append(found.scores[counts])
            self._hits.append(hits[counts])
            self._true += int(is_object.sum())

    def found(self) -> Mapping[str, Any]:
        """`threshold`: the one with the best F1 over all boxes of val, and that `f1`; of equal ones the highest.

        Nothing where nothing is hit.
        """
        scores, hits = (np.concatenate([*parts, np.zeros(0)]) for parts in (self._scores, self._hits))
        order = np.argsort(-scores, kind="stable")
        scores, hits = scores[order], hits[order]
        ends = np.append(scores[1:] < scores[:-1], True)[: len(scores)]  # equal scores are answered together
        f1 = np.where(ends, 2 * np.cumsum(hits) / (np.arange(1, len(hits) + 1) + self._true), 0.0)
        if not len(f1) or f1.max() == 0.0:
            return {}
        best = int(np.argmax(f1))
        return {"threshold": float(scores[best]), "f1": float(f1[best])}


def truth_of(targets: Batch, row: int, classes: Sequence[str]) -> Boxes:
    """The boxes that a picture really has, from its encoded targets."""
    valid = targets["valid"][row]
    return Boxes(
        targets["truth_corners"][row, valid],
        tuple(classes[kind] for kind in targets["classes"][row, valid]),
        targets["truth_areas"][row, valid],
        targets["crowd"][row, valid],
        targets["difficult"][row, valid],
    )


def _hits(
    found: Detections, corners: np.ndarray, classes: np.ndarray, is_object: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each box found, whether it is a true one, and whether it counts at all: two (box,) bool. The surest takes
    first, the free object of its class that it overlaps most."""
    hits, counts = np.zeros(len(found.scores), bool), np.ones(len(found.scores), bool)
    if not len(corners):
        return hits, counts
    free = is_object.copy()
    for place, (box, kind) in enumerate(zip(found.corners, found.classes, strict=True)):
        shared = np.where(classes == kind, overlaps(box, corners), 0.0)
        best = int(np.argmax(np.where(free, shared, -1.0)))
        if free[best] and shared[best] >= HIT:
            hits[place], free[best] = True, False
        else:
            counts[place] = not np.any(~is_object & (shared > 0) & (_covered(box, corners) >= HIT))
    return hits, counts


def _covered(box: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """How much of `box` (4,) lies in each of `corners` (row, 4): a share."""
    low, high = np.maximum(box[:2], corners[:, :2]), np.minimum(box[2:], corners[:, 2:])
    found: np.ndarray = np.prod(np.clip(high - low, 0, None), axis=1) / np.prod(box[2:] - box[:2])
    return found
