"""Scores boxes a picture at a time, as COCO does and on request as Pascal VOC does; knows nothing of heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from headstart.errors import DataError
from headstart.specs import Evaluation
from headstart.suggest import suggestion
from headstart_plugins._boxes import Boxes, Detections
from headstart_plugins.detection._evaluate_errors import Errors, Picture
from headstart_plugins.detection._evaluate_matching import (
    AREAS,
    MOST_LOOKED_AT,
    PlacedBoxes,
    PlacedDetections,
    inside_ranges,
    match_coco,
    match_voc,
)
from headstart_plugins.detection._evaluate_report import describe
from headstart_plugins.detection._measures import Curves, Matches, coco_metrics, curves_of, voc_metrics
from headstart_plugins.detection._measures_resampled import centred_resamples, intervals

AT_ONCE = 20_000
"""Boxes that wait until they are matched together: what a call to numpy costs is shared by many pictures."""


class BoxEvaluator:
    """Kept matches of all pictures so far: no box of theirs but the worst errors'.

    `classes` names what `Detections.classes` count. `voc` adds Pascal VOC's two older measures. Precision, recall, the
    confusion matrix and the worst errors are at IoU 0.5, of boxes whose score is at least `limits`, one for all or a
    number a class; `worst` of each kind of error are kept. COCO knows no difficult boxes: they count for its measures,
    and not for VOC's.
    """

    def __init__(
        self, classes: Sequence[str], *, voc: bool = False, limits: float | Sequence[float] = 0.3, worst: int = 24
    ) -> None:
        self.classes = tuple(classes)
        self._index = {name: place for place, name in enumerate(self.classes)}
        self._voc = voc
        self._errors = Errors.none(self.classes, np.broadcast_to(np.asarray(limits, np.float64), len(classes)), worst)
        self._parts = [_NOTHING]
        self._pictures = 0
        self._waiting: list[tuple[Picture, Boxes, np.ndarray, Detections]] = []
        self._boxes = 0

    def add(self, truth: Boxes, found: Detections, *, key: str = "", size: tuple[int, int] = (0, 0)) -> None:
        """Add one picture; its detections come in any order, and of equal scores the earlier goes first.

        `key` names it among the worst errors, `size` is its width and height in pixels where these are to be drawn.
        Raises DataError for a class of `truth` that is none of `classes`, and ValueError for detections that are not
        finite or of no known class.
        """
        unknown = next((name for name in truth.classes if name not in self._index), None)
        if unknown is not None:
            raise DataError(
                f"{key}: a box has the class {unknown!r}, which is none of the {len(self.classes)} known classes",
                hint=suggestion(unknown, self.classes),
            )
        if len(found.scores):
            if not (np.isfinite(found.scores).all() and np.isfinite(found.corners).all()):
                raise ValueError(f"{key}: scores and corners of detections must be finite")
            if found.classes.min() < 0 or found.classes.max() >= len(self.classes):
                raise ValueError(f"{key}: detections have classes from 0 to {len(self.classes) - 1}")
        self._waiting.append(
            (Picture(key, size), truth, np.array([self._index[name] for name in truth.classes], np.int64), found)
        )
        self._boxes += len(truth.classes) + len(found.scores)
        if self._boxes >= AT_ONCE:
            self._match()

    def merge(self, other: BoxEvaluator) -> None:
        """Add the pictures of another evaluator of the same classes and settings, after its own."""
        self._match()
        self._parts.append(_moved(other.matches, self._pictures))
        self._pictures += other._pictures
        self._errors = self._errors.merged(other.errors)

    @property
    def matches(self) -> Matches:
        """What is kept of all pictures."""
        self._match()
        if len(self._parts) > 1:
            columns = ([getattr(part, name) for part in self._parts] for name in _COLUMNS)
            self._parts = [Matches(*map(np.concatenate, columns))]
        return self._parts[0]

    @property
    def errors(self) -> Errors:
        """What was confused, missed and invented in all pictures."""
        self._match()
        return self._errors

    def metrics(self) -> dict[str, float]:
        """See `coco_metrics`, and with `voc` `voc_metrics`; NaN where there is nothing to find."""
        return self._metrics(curves_of(self.matches, len(self.classes)))

    def result(self) -> Evaluation:
        """95 % intervals by a bootstrap over pictures, and the report that `describe` gives."""
        curves = curves_of(self.matches, len(self.classes))
        metrics = self._metrics(curves)
        return Evaluation(
            metrics=metrics,
            intervals=intervals(metrics, self.matches, self._pictures, len(self.classes)),
            report=describe(curves, self.errors),
        )

    def resampled(self) -> dict[str, np.ndarray]:
        """See `headstart.specs.ResamplesRows`: of all metrics that are known."""
        return centred_resamples(self.metrics(), self.matches, self._pictures, len(self.classes))

    def _metrics(self, curves: Curves) -> dict[str, float]:
        return coco_metrics(curves) | (voc_metrics(self.matches, len(self.classes)) if self._voc else {})

    def state(self) -> dict[str, np.ndarray]:
        """All that it knows, as arrays of numbers; they grow with the pictures."""
        kept = {name: getattr(self.matches, name).copy() for name in _COLUMNS}
        return {"pictures": np.array([self._pictures]), **kept, **self.errors.state()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` gave, in place of all pictures so far."""
        self._waiting, self._boxes = [], 0
        self._pictures = int(state["pictures"][0])
        self._parts = [Matches(*(np.array(state[name], getattr(_NOTHING, name).dtype) for name in _COLUMNS))]
        self._errors = self._errors.restored(state)

    def _match(self) -> None:
        """Match what waits, and keep what came of it."""
        if not self._waiting:
            return
        pictures, truths, names, founds = zip(*self._waiting, strict=True)
        truth = _sorted_truth(truths, names)
        found, ranks = _sorted_detections(founds)
        counted = np.concatenate(
            [inside_ranges(truth.areas) & ~truth.crowd[:, None], ~(truth.crowd | truth.difficult)[:, None]], axis=1
        )
        matched = match_coco(found, truth, ranks, len(self.classes))
        verdicts = match_voc(found, truth, len(self.classes)) if self._voc else np.zeros(len(ranks), np.uint8)
        self._errors = self._errors.with_pictures(found, truth, (ranks, matched), pictures)
        kept = slice(None) if self._voc else ranks < MOST_LOOKED_AT
        columns = (
            *((found.pictures + self._pictures)[kept], found.classes[kept], found.scores[kept]),
            *(np.minimum(ranks, 255)[kept], matched.hits[kept], matched.ignored[kept], verdicts[kept]),
            *(truth.pictures + self._pictures, truth.classes, counted),
        )
        self._parts.append(
            Matches(*(c.astype(getattr(_NOTHING, name).dtype) for name, c in zip(_COLUMNS, columns, strict=True)))
        )
        self._pictures += len(pictures)
        self._waiting, self._boxes = [], 0


_COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Matches))
_NOTHING = Matches(
    found_pictures=np.zeros(0, np.int32),
    found_classes=np.zeros(0, np.int32),
    scores=np.zeros(0),
    ranks=np.zeros(0, np.uint8),
    hits=np.zeros((0, len(AREAS)), np.uint16),
    ignored=np.zeros((0, len(AREAS)), np.uint16),
    verdicts=np.zeros(0, np.uint8),
    truth_pictures=np.zeros(0, np.int32),
    truth_classes=np.zeros(0, np.int32),
    counted=np.zeros((0, len(AREAS) + 1), bool),
)


def _moved(matches: Matches, pictures: int) -> Matches:
    """The same, of pictures that stand behind so many others."""
    columns: dict[str, Any] = {name: getattr(matches, name) for name in _COLUMNS}
    for name in ("found_pictures", "truth_pictures"):
        columns[name] = columns[name] + np.int32(pictures)
    return Matches(**columns)


def _sorted_truth(truths: Sequence[Boxes], classes: Sequence[np.ndarray]) -> PlacedBoxes:
    """By picture, then class, then the order of the file."""
    boxes = PlacedBoxes(
        np.repeat(np.arange(len(truths)), [len(each) for each in classes]),
        np.concatenate([np.reshape(each.corners, (-1, 4)) for each in truths]).astype(np.float64),
        np.concatenate(classes),
        np.concatenate([each.areas for each in truths]).astype(np.float64),
        np.concatenate([each.crowd for each in truths]).astype(bool),
        np.concatenate([each.difficult for each in truths]).astype(bool),
    )
    return boxes.taken(np.lexsort((boxes.classes, boxes.pictures)))


def _sorted_detections(founds: Sequence[Detections]) -> tuple[PlacedDetections, np.ndarray]:
    """By picture, then class, then falling score, then the order given; and the place (detection,) within the class and
    picture."""
    boxes = PlacedDetections(
        np.repeat(np.arange(len(founds)), [len(each.scores) for each in founds]),
        np.concatenate([np.reshape(each.corners, (-1, 4)) for each in founds]).astype(np.float64),
        np.concatenate([each.classes for each in founds]).astype(np.int64),
        np.concatenate([each.scores for each in founds]).astype(np.float64),
    )
    boxes = boxes.taken(np.lexsort((-boxes.scores, boxes.classes, boxes.pictures)))
    starts = np.ones(len(boxes.scores), bool)
    starts[1:] = (np.diff(boxes.pictures) != 0) | (np.diff(boxes.classes) != 0)
    places = np.arange(len(starts))
    return boxes, places - np.maximum.accumulate(np.where(starts, places, 0))
