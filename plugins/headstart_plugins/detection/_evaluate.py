"""A stand-in: average precision at ten overlaps, one class after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.specs import Evaluation
from headstart_plugins._boxes import Boxes, Detections
from headstart_plugins.detection._grid import overlaps

LEVELS = np.arange(0.5, 1.0, 0.05)


class BoxEvaluator:
    """Hits of each box found, by class and overlap."""

    def __init__(self, classes: Sequence[str], *, voc: bool = False, limits: float = 0.3) -> None:
        self._classes = tuple(classes)
        self._found: list[tuple[int, float, np.ndarray]] = []
        self._true = np.zeros(len(classes), np.int64)

    def add(self, truth: Boxes, found: Detections, *, size: tuple[int, int] = (0, 0)) -> None:
        """A picture."""
        kinds = np.array([self._classes.index(name) for name in truth.classes], np.int64)
        np.add.at(self._true, kinds, 1)
        free = np.ones((len(LEVELS), len(kinds)), bool)
        for box, score, kind in zip(found.corners, found.scores, found.classes, strict=True):
            hits = np.zeros(len(LEVELS), bool)
            if len(kinds):
                shared = np.where(kinds == kind, overlaps(box, truth.corners), 0.0)
                for place, level in enumerate(LEVELS):
                    best = int(np.argmax(np.where(free[place], shared, -1.0)))
                    hits[place] = free[place, best] and shared[best] >= level
                    free[place, best] &= not hits[place]
            self._found.append((int(kind), float(score), hits))

    def merge(self, other: Any) -> None:
        """Add the pictures of another one."""
        self._found += other._found
        self._true += other._true

    def metrics(self) -> Mapping[str, float]:
        """`map`, `map50` and `map75`."""
        aps = []
        for kind in np.flatnonzero(self._true):
            own = [(score, hits) for which, score, hits in self._found if which == kind]
            order = np.argsort([-score for score, _ in own], kind="stable")
            hits = np.array([own[place][1] for place in order]).reshape(-1, len(LEVELS)).cumsum(axis=0)
            precision = hits / np.arange(1, len(hits) + 1)[:, None]
            precision = np.maximum.accumulate(precision[::-1])[::-1]
            gained = np.diff(hits, axis=0, prepend=0) / self._true[kind]
            aps.append((precision * gained).sum(axis=0))
        mean = np.mean(aps, axis=0) if aps else np.full(len(LEVELS), np.nan)
        return {"map": float(mean.mean()), "map50": float(mean[0]), "map75": float(mean[5])}

    def result(self) -> Evaluation:
        """The metrics."""
        return Evaluation(self.metrics())
