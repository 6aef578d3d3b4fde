"""Scores masks a picture at a time, from counts of pixels; knows nothing of heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.specs import Evaluation
from headstart_plugins._heads.evaluators import RESAMPLES, describe_classes, middle_95, ratio
from headstart_plugins._mask import VOID
from headstart_plugins.segmentation._boundary import boundaries, matched
from headstart_plugins.segmentation._palette import Palette
from headstart_plugins.segmentation._worst import Worst, bad_picture

KINDS = 256
"""Values that a pixel of a mask can have."""
HIT, TRUE, FOUND, NEAR_TRUE, ON_TRUE, NEAR_FOUND, ON_FOUND = range(7)
"""What is counted of each class of a picture: pixels that are right, true and found; of its true boundary those near a
found one, and all; and of its found boundary those near a true one, and all."""
COUNTS = 7
AT_ONCE = 10**6
"""Pictures times resamples whose draws are held at a time."""


def confusions(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """How many pixels of each true class (row) were found as which one (column): (class, class) int64, of masks of one
    shape; void pixels of `truth` count nowhere."""
    pairs = np.multiply(truth.ravel(), classes, dtype=np.intp)
    pairs += found.ravel()
    return np.bincount(pairs, minlength=KINDS * classes)[: classes**2].reshape(classes, classes)


def counts_of(confusion: np.ndarray, *boundaries: np.ndarray) -> np.ndarray:
    """The counts (COUNTS, class) int64 of a matrix of confusions and of the four of boundaries, 0 without them."""
    nothing = np.zeros((COUNTS - 3 - len(boundaries), len(confusion)), np.int64)
    return np.stack([np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0), *boundaries, *nothing])


def scores_of(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Of `counts` (..., COUNTS, class) the scores (...): means over the classes that have a true pixel, of which `miou`
    is of hits over union (as scikit-learn's `jaccard_score`, macro, over these classes) and `mean_recall` of hits over
    true ones; `pixel_accuracy` over all pixels; and `boundary_f`, the mean over the classes that have a true boundary
    of 2 p r / (p + r), of the shares of the found and of the true boundary that are matched. NaN where there is nothing
    true."""
    hit, true, found, near_true, on_true, near_found, on_found = np.moveaxis(np.asarray(counts, np.float64), -2, 0)
    return {
        "miou": _mean_of_known(ratio(hit, np.where(true > 0, true + found - hit, 0))),
        "pixel_accuracy": ratio(hit.sum(-1), true.sum(-1)),
        "mean_recall": _mean_of_known(ratio(hit, true)),
        "boundary_f": _mean_of_known(_boundary_f(near_true, on_true, near_found, on_found)),
    }


def _boundary_f(near_true: np.ndarray, on_true: np.ndarray, near_found: np.ndarray, on_found: np.ndarray) -> np.ndarray:
    """F1 (..., class) of the boundaries; NaN without a true one, 0 where none of it is matched."""
    precision, recall = np.nan_to_num(ratio(near_found, on_found)), ratio(near_true, on_true)
    both = np.where(precision + recall == 0, 1.0, precision + recall)
    found: np.ndarray = 2 * precision * recall / both
    return found


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """The mean (...) over classes of `values` (..., class) that are no NaN; NaN where all are."""
    return ratio(np.nansum(values, axis=-1), np.sum(~np.isnan(values), axis=-1))


@dataclass
class MaskScores:
    """Counts of all pictures so far: COUNTS x class numbers of each, their `total` and one `confusion` matrix; no mask
    but those of the `worst`. A boundary is matched up to `tolerance` pixels."""

    palette: Palette
    tolerance: float
    confusion: np.ndarray = field(init=False)
    total: np.ndarray = field(init=False)
    pictures: list[np.ndarray] = field(default_factory=list)
    worst: Worst = field(default_factory=Worst)

    def __post_init__(self) -> None:
        """No pixel so far."""
        count = len(self.palette.classes)
        self.confusion = np.zeros((count, count), np.int64)
        self.total = np.zeros((COUNTS, count), np.int64)

    def add(self, truth: np.ndarray, found: np.ndarray, key: str = "") -> None:
        """Add one picture: masks (height, width) uint8 of places of classes, of which `truth` may be VOID. `key` names
        it among the worst."""
        classes = len(self.palette.classes)
        confusion = confusions(truth, found, classes)
        seen = np.where(truth == VOID, np.uint8(VOID), found)
        of_truth, of_found = boundaries(truth), boundaries(seen)
        counts = counts_of(
            confusion,
            *matched(of_truth, of_found, self.tolerance, classes),
            *matched(of_found, of_truth, self.tolerance, classes),
        )
        self.confusion += confusion
        self.total += counts
        self.pictures.append(counts.astype(np.uint32))
        score = float(scores_of(counts)["miou"])
        if not np.isnan(score) and self.worst.is_among(score):
            wrong = 1 - float(np.trace(confusion)) / float(confusion.sum())
            self.worst = self.worst.merged(bad_picture(score, wrong, key, (truth, seen), self.palette))

    def merge(self, other: MaskScores) -> None:
        """Add the pictures of another one of the same classes and tolerance, after its own."""
        self.confusion, self.total = self.confusion + other.confusion, self.total + other.total
        self.pictures = [*self.pictures, *other.pictures]
        self.worst = self.worst.merged(other.worst)

    def metrics(self) -> dict[str, float]:
        """See `scores_of`."""
        return {name: float(value) for name, value in scores_of(self.total).items()}

    def intervals(self, *, seed: int = 0) -> dict[str, tuple[float, float]]:
        """95 % intervals by a bootstrap over pictures, RESAMPLES times (Efron & Tibshirani 1993, chapter 13). A measure
        that a resample leaves without any truth is judged by the others."""
        known = {name: each[~np.isnan(each)] for name, each in self.resampled(seed=seed).items()}
        return {name: middle_95(each) for name, each in known.items() if len(each)}

    def resampled(self, *, seed: int = 0) -> dict[str, np.ndarray]:
        """See `headstart.specs.ResamplesRows`: of all metrics; NaN where a resample has nothing true, and none of no
        picture."""
        if not self.pictures:
            return {}
        count = len(self.pictures)
        flat = np.stack(self.pictures).reshape(count, -1)
        random = np.random.default_rng(seed)
        sums = np.zeros((RESAMPLES, flat.shape[1]))
        step = max(AT_ONCE // count, 1)
        for start in range(0, RESAMPLES, step):
            drawn = [random.integers(0, count, count) for _ in range(start, min(start + step, RESAMPLES))]
            often = np.stack([np.bincount(each, minlength=count) for each in drawn]).astype(np.float64)
            for first in range(0, count, 1024):  # or all counts as float64 would be there at a time
                part = slice(first, first + 1024)
                sums[start : start + len(drawn)] += often[:, part] @ flat[part].astype(np.float64)
        return scores_of(sums.reshape(RESAMPLES, COUNTS, -1))

    def result(self) -> Evaluation:
        """Metrics, intervals, and the report: see `report`."""
        return Evaluation(self.metrics(), self.intervals(), self.report())

    def report(self) -> dict[str, Any]:
        """`per_class` has IoU, precision, recall, F1 and `boundary_f` (None where there is nothing to divide by) and
        the number of true pixels, `support`; `confusion_matrix` counts pixels, a row for each true class. `unit` says
        so. `worst_masks` are the pictures with the lowest mean IoU, see `_worst`."""
        classes, total = self.palette.classes, self.total
        per_class = describe_classes(classes, total[HIT], total[FOUND], total[TRUE])
        unions = ratio(total[HIT], total[TRUE] + total[FOUND] - total[HIT])
        edges = _boundary_f(*(total[which] for which in (NEAR_TRUE, ON_TRUE, NEAR_FOUND, ON_FOUND)))
        for place, name in enumerate(classes):
            per_class[name] |= {"iou": _known(unions[place]), "boundary_f": _known(edges[place])}
        return {
            "unit": "pixels",
            "tolerance": self.tolerance,
            "per_class": per_class,
            "class_figure": "iou",
            "confusion_matrix": self.confusion.tolist(),
            "confusion_names": list(classes),
            "worst_masks": self.worst.described(),
            "mask_colours": self.palette.described(),
        }


def _known(value: np.ndarray) -> float | None:
    return None if np.isnan(value) else float(value)


def majority(train: Sequence[int], test: Sequence[int]) -> dict[str, float]:
    """What the class with the most pixels in `train` (class,) everywhere scores on the pixels of `test` (class,)."""
    best = int(np.argmax(train))
    confusion = np.zeros((len(test), len(test)), np.int64)
    confusion[:, best] = test
    found = scores_of(counts_of(confusion))
    known = {f"majority_{name}": float(found[name]) for name in ("miou", "pixel_accuracy")}
    return {name: value for name, value in known.items() if not np.isnan(value)}
