"""What detections confuse: classes and background at one IoU and score, and the worst that was missed or invented."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from headstart_plugins.detection._evaluate_matching import (
    IOU_LIMITS,
    MOST_LOOKED_AT,
    Matched,
    PlacedBoxes,
    PlacedDetections,
    overlaps,
    pairs_of,
    take_turns,
)

BESIDE = 0.1
"""Least IoU of a false alarm that is said to be badly placed; below there is nothing."""


@dataclass(frozen=True)
class Picture:
    """What errors say of a picture: its `key`, and its width and height in pixels, 0 where nobody said."""

    key: str
    size: tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A box of one error: `corners` left, top, right, bottom in pixels; the `score` of a detection, None for truth."""

    corners: tuple[float, float, float, float]
    label: str
    score: float | None


@dataclass(frozen=True)
class Error:
    """A box that was missed or invented, what of the other kind overlaps it most, by which IoU, and a `reason`.

    `weight` orders them: the score of a false alarm, the square pixels of a miss.
    """

    picture: Picture
    weight: float
    box: Box
    beside: Box | None
    overlap: float
    reason: str


@dataclass(frozen=True)
class Errors:
    """Confusions (true class, found class) int64, background last in both, and the `worst` missed and false ones, the
    worst first; all at IoU 0.5, of detections whose score is at least `limits` (class,)."""

    classes: tuple[str, ...]
    limits: np.ndarray
    worst: int
    confusions: np.ndarray
    misses: tuple[Error, ...] = ()
    alarms: tuple[Error, ...] = ()

    @classmethod
    def none(cls, classes: tuple[str, ...], limits: np.ndarray, worst: int) -> Errors:
        """Of no picture."""
        return cls(classes, limits, worst, np.zeros((len(classes) + 1, len(classes) + 1), np.int64))

    def merged(self, other: Errors) -> Errors:
        """Of these pictures, then those of `other`."""
        return replace(
            self,
            confusions=self.confusions + other.confusions,
            misses=self._worst(self.misses + other.misses),
            alarms=self._worst(self.alarms + other.alarms),
        )

    def with_pictures(
        self,
        found: PlacedDetections,
        truth: PlacedBoxes,
        matched: tuple[np.ndarray, Matched],
        pictures: Sequence[Picture],
    ) -> Errors:
        """With more pictures: detections and truth as `match_coco` takes them, and with their ranks what it gave.

        A detection that found a box of its class, as for average precision, is right. Of the others the surest chooses
        first among the boxes that are left, whatever their class.
        """
        ranks, match = matched
        given = (found.scores >= self.limits[found.classes]) & (ranks < MOST_LOOKED_AT)
        right = given & (match.hits[:, 0] & 1 > 0)
        wrong = np.flatnonzero(given & ~right & (match.ignored[:, 0] & 1 == 0))
        wrong = wrong[np.lexsort((-found.scores[wrong], found.pictures[wrong]))]
        free = ~truth.crowd
        free[match.partner[right]] = False
        left = np.flatnonzero(free)
        pairs = pairs_of(found.pictures[wrong], truth.pictures[left], found.taken(wrong), truth.taken(left))
        pairs = pairs.taken(pairs.overlap >= IOU_LIMITS[0])
        alike = np.zeros((len(left), 1), bool)
        rows, taken = take_turns(pairs, found.pictures[wrong], np.ones((len(pairs.found), 1), bool), alike, alike[:, 0])
        crossed, holders = wrong[rows[taken[:, 0] >= 0]], left[taken[taken[:, 0] >= 0, 0]]
        free[holders] = False
        missed, invented = np.flatnonzero(free), np.setdiff1d(wrong, crossed)
        background = len(self.classes)
        confusions = self.confusions.copy()
        np.add.at(confusions, (found.classes[right], found.classes[right]), 1)
        np.add.at(confusions, (truth.classes[holders], found.classes[crossed]), 1)
        np.add.at(confusions[background], found.classes[invented], 1)
        np.add.at(confusions[:, background], truth.classes[missed], 1)
        told = _Told(self.classes, found, truth, pictures, self.limits)
        alarms = np.sort(wrong)[self._heaviest(found.scores[np.sort(wrong)])]
        misses = missed[self._heaviest(truth.areas[missed])]
        return replace(
            self,
            confusions=confusions,
            alarms=self._worst((*self.alarms, *map(told.alarm, alarms))),
            misses=self._worst((*self.misses, *map(told.miss, misses))),
        )

    def state(self) -> dict[str, np.ndarray]:
        """As arrays of numbers: the confusions, and the worst ones as bytes of JSON."""
        text = json.dumps({"misses": list(map(asdict, self.misses)), "alarms": list(map(asdict, self.alarms))})
        return {"confusions": self.confusions.copy(), "worst": np.frombuffer(text.encode(), np.uint8).copy()}

    def restored(self, state: Mapping[str, np.ndarray]) -> Errors:
        """With what `state` gave."""
        worst = json.loads(state["worst"].astype(np.uint8).tobytes())
        return replace(
            self,
            confusions=np.array(state["confusions"], np.int64),
            misses=tuple(map(_error, worst["misses"])),
            alarms=tuple(map(_error, worst["alarms"])),
        )

    def _heaviest(self, weights: np.ndarray) -> np.ndarray:
        return np.argsort(-weights, kind="stable")[: self.worst]

    def _worst(self, errors: Sequence[Error]) -> tuple[Error, ...]:
        """The heaviest, and of equals the earlier."""
        return tuple(sorted(errors, key=lambda error: -error.weight)[: self.worst])


@dataclass(frozen=True)
class _Told:
    """Puts single errors into words."""

    classes: tuple[str, ...]
    found: PlacedDetections
    truth: PlacedBoxes
    pictures: Sequence[Picture]
    limits: np.ndarray

    def alarm(self, row: int) -> Error:
        """Of the detection `row`."""
        first, last = np.searchsorted(self.truth.pictures, self.found.pictures[row] + np.array([0, 1]))
        shares = _shares(self.found.corners[row], self.truth.corners[first:last])
        box = self._detection(row)
        beside, overlap, label = None, 0.0, ""
        if shares.max(initial=0.0) > 0:
            best = int(np.argmax(shares))
            beside, overlap = self._truth(first + best), float(shares[best])
            label = beside.label
        if overlap >= IOU_LIMITS[0]:
            reason = f"is {label}" if label != box.label else "found before"
        else:
            reason = "badly placed" if overlap >= BESIDE and label == box.label else "nothing there"
        return Error(self.pictures[self.found.pictures[row]], float(box.score or 0.0), box, beside, overlap, reason)

    def miss(self, row: int) -> Error:
        """Of the true box `row`."""
        first, last = np.searchsorted(self.found.pictures, self.truth.pictures[row] + np.array([0, 1]))
        shares = _shares(self.truth.corners[row], self.found.corners[first:last])
        beside, overlap, reason = None, 0.0, "nothing near it"
        if shares.max(initial=0.0) > 0:
            best = int(np.argmax(shares))
            beside, overlap = self._detection(first + best), float(shares[best])
            if overlap >= IOU_LIMITS[0] and beside.label != self.classes[self.truth.classes[row]]:
                reason = "another class"
            elif overlap >= IOU_LIMITS[0]:
                is_given = self.found.scores[first + best] >= self.limits[self.found.classes[first + best]]
                reason = "found as another object" if is_given else "too unsure"
            elif overlap >= BESIDE:
                reason = "badly placed"
        box = self._truth(row)
        return Error(
            self.pictures[self.truth.pictures[row]], float(self.truth.areas[row]), box, beside, overlap, reason
        )

    def _detection(self, row: int) -> Box:
        label = self.classes[self.found.classes[row]]
        return Box(_plain(self.found.corners[row]), label, float(self.found.scores[row]))

    def _truth(self, row: int) -> Box:
        return Box(_plain(self.truth.corners[row]), self.classes[self.truth.classes[row]], None)


def _shares(corners: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU (other,) of one box with others."""
    return overlaps(np.broadcast_to(corners, others.shape), others, np.zeros(len(others), bool))


def _plain(corners: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, bottom = corners.tolist()
    return left, top, right, bottom


def _error(document: Mapping[str, Any]) -> Error:
    beside = document["beside"]
    return Error(
        picture=Picture(document["picture"]["key"], tuple(document["picture"]["size"])),
        weight=document["weight"],
        box=_box(document["box"]),
        beside=beside and _box(beside),
        overlap=document["overlap"],
        reason=document["reason"],
    )


def _box(document: Mapping[str, Any]) -> Box:
    return Box(tuple(document["corners"]), document["label"], document["score"])
