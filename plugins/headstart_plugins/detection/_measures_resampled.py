"""95 % intervals of the measures: a bootstrap over pictures, from kept matches, so that nothing is matched again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

import numpy as np
from scipy import sparse

from headstart_plugins._heads.evaluators import RESAMPLES, middle_95
from headstart_plugins.detection._evaluate_matching import AREAS, IOU_LIMITS, LEFT_OUT, TRUE, unpack
from headstart_plugins.detection._measures import LOOKED_AT, RECALLS, VOC_RECALLS, Matches

MOST_NUMBERS = 5 * 10**6
"""Pictures, detections of one class, or average precisions, times the resamples that are computed at a time."""


NUDGE = np.float32(1 + 5e-5)
"""Recalls reached, with that of 0, are one more than whole steps; and a share of fewer than 20,000 that is such a step
but for the rounding of float32 counts as it. Unlike `RECALLS`, 7 of 20 reach 0.35 here."""


def intervals(
    measured: Mapping[str, float], matches: Matches, pictures: int, classes: int, *, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % intervals of what was `measured`, from 1,000 resamples of the `pictures`, within [0, 1].

    The middle 95 % of resamples (Efron & Tibshirani 1993, chapter 13), moved so that their mean is what was measured:
    made monotonous, precision gains from chance, and resamples gain it once more, so that of many pictures plain
    percentiles may not even hold what was measured. A measure that a resample leaves without any truth is judged by the
    others; there is none where all do.
    """
    moved = centred_resamples(measured, matches, pictures, classes, seed=seed)
    known = {name: values[~np.isnan(values)] for name, values in moved.items()}
    return {name: middle_95(np.clip(values, 0.0, 1.0)) for name, values in known.items() if len(values)}


def centred_resamples(
    measured: Mapping[str, float], matches: Matches, pictures: int, classes: int, *, seed: int = 0
) -> dict[str, np.ndarray]:
    """The resamples (resample,) float64 of `intervals`, moved so that their mean is what was `measured`: not those of
    what is NaN there; NaN where a resample has no truth. Which pictures are drawn depends on their number alone."""
    if not pictures:
        return {}
    random = np.random.default_rng(seed)
    widest = max(pictures, np.bincount(matches.found_classes).max(initial=0), len(AREAS) * len(IOU_LIMITS) * classes)
    at_once = int(np.clip(MOST_NUMBERS // widest, 1, RESAMPLES))
    parts: dict[str, list[np.ndarray]] = {name: [] for name, value in measured.items() if not np.isnan(value)}
    for start in range(0, RESAMPLES, at_once):
        drawn = random.integers(0, pictures, (min(at_once, RESAMPLES - start), pictures), np.int32)
        weights = np.stack([np.bincount(each, minlength=pictures) for each in drawn], axis=1, dtype=np.float32)
        values = resampled(matches, weights, classes, voc="voc_map" in measured)
        for name, found in parts.items():
            found.append(values[name])
    together = {name: np.concatenate(found) for name, found in parts.items()}
    return {
        name: values + (measured[name] - np.nanmean(values))
        for name, values in together.items()
        if not np.isnan(values).all()
    }


def resampled(matches: Matches, weights: np.ndarray, classes: int, *, voc: bool) -> Mapping[str, np.ndarray]:
    """Each measure (resample,) float64, of pictures that count as often as `weights` (picture, resample) float32 says.

    Whole numbers below 2 ** 24 are exact in float32, so counts are; what they give is right to 1e-6. Resamples lie side
    by side in memory, so that each step of a running sum is one for all of them.
    """
    areas, limits, draws = len(AREAS), len(IOU_LIMITS), weights.shape[1]
    truths = _by_class(matches.truth_pictures, matches.truth_classes, matches.counted, weights, classes)
    precisions = np.zeros((areas, limits, classes, draws), np.float32)
    for index, rows in enumerate(matches.by_class(classes)):
        for area in np.flatnonzero(truths[:areas, index].any(axis=1)):
            hits, given = unpack(matches.hits[rows, area]), ~unpack(matches.ignored[rows, area])
            chosen = np.flatnonzero(given.any(axis=1))
            ranked = _Ranked(matches.found_pictures[rows[chosen]], hits[chosen], given[chosen])
            precisions[area, :, index] = ranked.average_precisions(weights, truths[area, index], RECALLS)
    known = truths[:areas] > 0
    by_area = _mean_of_known(precisions.mean(axis=1), known)
    values = {
        "map": by_area[0],
        "map50": _mean_of_known(precisions[0, 0], known[0]),
        "map75": _mean_of_known(precisions[0, 5], known[0]),
    }
    values |= {f"map_{name}": by_area[area] for area, name in enumerate(AREAS) if area}
    hits = np.stack([unpack(matches.hits[:, area]).sum(axis=1) for area in range(areas)], axis=1)
    for most in LOOKED_AT:
        own = matches.ranks < most
        shown = slice(None) if most == LOOKED_AT[-1] else slice(1)  # by area, at the most alone
        found = _by_class(matches.found_pictures[own], matches.found_classes[own], hits[own, shown], weights, classes)
        counts = truths[:areas][shown]
        recalls = _mean_of_known(found / np.maximum(counts, 1) / limits, counts > 0)
        values[f"ar{most}"] = recalls[0]
        values |= {f"ar_{name}": recalls[area] for area, name in enumerate(AREAS[: len(recalls)]) if area}
    return values | (_voc(matches, weights, truths[-1], classes) if voc else {})


def _voc(matches: Matches, weights: np.ndarray, truths: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    precisions = np.zeros((2, classes, weights.shape[1]), np.float32)
    for index, rows in enumerate(matches.by_class(classes, voc=True)):
        rows = rows[matches.verdicts[rows] != LEFT_OUT]
        hits = (matches.verdicts[rows] == TRUE)[:, None]
        ranked = _Ranked(matches.found_pictures[rows], hits, np.ones(hits.shape, bool))
        for place, recalls in enumerate((None, VOC_RECALLS)):
            precisions[place, index] = ranked.average_precisions(weights, truths[index], recalls)[0]
    every, eleven = _mean_of_known(precisions, np.broadcast_to(truths > 0, precisions.shape))
    return {"voc_map": every, "voc_map_11": eleven}


def _by_class(
    pictures: np.ndarray, classes: np.ndarray, values: np.ndarray, weights: np.ndarray, count: int
) -> np.ndarray:
    """Sums (column, class, resample) float64 of `values` (row, column), each as often as its picture counts."""
    shape = (count, len(weights))
    sums = []
    for column in values.T:
        rows = np.flatnonzero(column)
        sums.append(
            sparse.csr_array((column[rows].astype(np.float32), (classes[rows], pictures[rows])), shape) @ weights
        )
    return np.stack(sums).astype(np.float64)


def _mean_of_known(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The mean (..., resample) over classes of `values` (..., class, resample) that are `known`; NaN where none is."""
    sums, counts = np.where(known, values, 0.0).sum(axis=-2), known.sum(axis=-2)
    mean: np.ndarray = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return mean


@dataclass(frozen=True)
class _Ranked:
    """Detections of one class, the surest first: of which `pictures` (detection,), and by limit (detection, limit) bool
    whether each is right (`hits`) and whether it counts at all (`given`)."""

    pictures: np.ndarray
    hits: np.ndarray
    given: np.ndarray

    def average_precisions(self, weights: np.ndarray, truths: np.ndarray, recalls: np.ndarray | None) -> np.ndarray:
        """Average precision (limit, resample) float32, precision read at `recalls`, or integrated without any.

        `truths` (resample,) are how many there are to find. Only detections that are right matter one by one: precision
        made monotonous steps nowhere else, and of all others it is enough to know how many came before. Those that
        count at all limits are added up once.
        """
        precisions = np.zeros((self.hits.shape[1], len(truths)), np.float32)
        common, anywhere = np.asarray(self.given.all(axis=1)), np.asarray(self.hits.any(axis=1))
        if not anywhere.any():
            return precisions
        before = self._before(weights, common, anywhere)
        places = np.cumsum(anywhere) - 1
        wholes = np.maximum(truths, 1).astype(np.float32)
        scale = np.float32(1 if recalls is None else len(recalls) - 1) / wholes
        room = np.empty((2, int(self.hits.sum(axis=0).max()), len(truths)), np.float32)
        for limit in np.flatnonzero(self.hits.any(axis=0)):
            right = np.flatnonzero(self.hits[:, limit])
            found, counted = room[:, : len(right)]  # memory that is used again: fresh pages take time
            running(weights.take(self.pictures[right], axis=0, out=found, mode="clip"), np.add)
            before.take(places[right], axis=0, out=counted, mode="clip")
            more = np.flatnonzero(self.given[:, limit] & ~common)
            if len(more):
                added, behind = (
                    running(weights.take(self.pictures[more], axis=0), np.add),
                    np.searchsorted(more, right, "right"),
                )
                first = np.searchsorted(behind, 1)
                counted[first:] += added.take(behind[first:] - 1, axis=0)
            best = np.divide(found, np.maximum(counted, 1, out=counted), out=counted)
            running(best[::-1], np.maximum)
            passed = np.multiply(found, scale, out=found)
            if recalls is not None:
                passed += NUDGE
                np.floor(passed, out=passed)
            precisions[limit] = np.einsum("ij,ij->j", best, passed) - np.einsum("ij,ij->j", best[1:], passed[:-1])
        return precisions if recalls is None else precisions / len(recalls)

    def _before(self, weights: np.ndarray, chosen: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """How many of the `chosen` (detection,) there are up to each of the `ends` (detection,): (end, resample)."""
        following, count = np.cumsum(ends) - ends, int(ends.sum())
        rows = np.flatnonzero(chosen & (following < count))
        ones = np.ones(len(rows), np.float32)
        steps = sparse.csr_array((ones, (following[rows], self.pictures[rows])), (count, len(weights)))
        return running(steps @ weights, np.add)


def running(values: np.ndarray, combine: np.ufunc) -> np.ndarray:
    """Running sums or maxima of `values` (row, resample) along the rows, in place.

    What `combine.accumulate` gives, in less time: within blocks of rows for all blocks at once, then from
    block to block.
    """
    rows = len(values)
    length = min(range(1, isqrt(rows) + 2), key=lambda each: each + rows // each + rows % each)
    blocks = values[: rows // length * length].reshape(rows // length, length, -1)
    for place in range(1, length):
        combine(blocks[:, place], blocks[:, place - 1], out=blocks[:, place])
    for block in range(1, len(blocks)):
        combine(blocks[block], blocks[block - 1, -1], out=blocks[block])
    for row in range(max(rows // length * length, 1), rows):
        combine(values[row], values[row - 1], out=values[row])
    return values
