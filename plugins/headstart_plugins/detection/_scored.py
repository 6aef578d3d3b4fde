"""What was found beside what is true: for metrics, and for the threshold of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from headstart.specs import Batch, Evaluation, Facts
from headstart_plugins._boxes import Boxes, Detections
from headstart_plugins.detection._decode import Limits, detections, one_a_thing
from headstart_plugins.detection._evaluate import BoxEvaluator
from headstart_plugins.detection._grid import cells_of
from headstart_plugins.detection._measures import score_limit

UNTUNED = 0.3
"""The threshold of answers as long as val has told none."""
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

    def resampled(self) -> Mapping[str, np.ndarray]:
        """Those of `BoxEvaluator`."""
        return self._boxes.resampled()

    def result(self) -> Evaluation:
        """That of `BoxEvaluator`."""
        return self._boxes.result()


class ThresholdCalibrator:
    """Keeps what each box that would be answered matches, as the evaluator does."""

    def __init__(self, classes: Sequence[str], limits: Limits, across: float, *, is_chosen: bool = False) -> None:
        self._classes, self._limits, self._across, self._is_chosen = tuple(classes), limits, across, is_chosen
        self._boxes = BoxEvaluator(self._classes, worst=0)

    def update(self, targets: Batch, outputs: Batch) -> None:
        """Add rows. Boxes are compared in pixels of the input; what lies in crowds or on difficult boxes counts for
        nothing."""
        for row in range(len(targets["size"])):
            height, width = (int(side) for side in targets["size"][row])
            facts = {"height": height, "width": width, "offset_x": 0, "offset_y": 0, "scale_x": 1, "scale_y": 1}
            cells = cells_of((height, width))
            found = detections(outputs["classes"][row], outputs["sides"][row], cells, facts, self._limits)
            found = one_a_thing(found, self._across)
            truth = truth_of(targets, row, self._classes)
            # of a box that is cut off nothing is left, so that it counts as missed
            corners = targets["boxes"][row, _there(targets, row)].astype(np.float64) * cells.extent
            self._boxes.add(replace(truth, corners=corners, crowd=truth.crowd | truth.difficult), found)

    def found(self) -> Mapping[str, Any]:
        """`threshold`: the one with the best F1 over all boxes of val, and that `f1`, see `score_limit`.

        Nothing where nothing is hit.
        """
        limit = score_limit(self._boxes.matches, len(self._classes))
        return {} if limit is None else asdict(limit)

    def lacking(self) -> str | None:
        """See `headstart.specs.TellsWhatLacks`: that there is no threshold, unless the user has chosen one."""
        if self._is_chosen or self.found():
            return None
        return (
            "no box of val is found, so no threshold of answers could be chosen there: they have the boxes with a score"
            f" of {UNTUNED} or more, which may be none; train longer, or ask for others by --set task.threshold=0.1"
        )


def truth_of(targets: Batch, row: int, classes: Sequence[str]) -> Boxes:
    """The boxes that a picture really has, from its encoded targets, also those that the input does not show."""
    own = _there(targets, row)
    return Boxes(
        targets["truth_corners"][row, own],
        tuple(classes[kind] for kind in targets["classes"][row, own]),
        targets["truth_areas"][row, own],
        targets["crowd"][row, own],
        targets["difficult"][row, own],
    )


def _there(targets: Batch, row: int) -> np.ndarray:
    """Which places (most,) bool of a picture hold a box: one that the input does not show is not `valid`, and is one
    all the same."""
    corners = targets["truth_corners"][row]
    there: np.ndarray = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    return there
