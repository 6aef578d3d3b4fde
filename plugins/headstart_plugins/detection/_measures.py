"""Average precision and recall from kept matches: COCO's figures, Pascal VOC's, and the score of the best F1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headstart_plugins.detection._evaluate_matching import (
    AREAS,
    IOU_LIMITS,
    LEFT_OUT,
    MOST_LOOKED_AT,
    TRUE,
)

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where COCO reads precision, (recall,), with its own rounding: 0.35 is a little more, and 7 of 20 do not reach it."""
LOOKED_AT = (1, 10, MOST_LOOKED_AT)
"""Detections a class and picture, of AR."""
VOC_RECALLS = np.linspace(0.0, 1.0, 11)


@dataclass(frozen=True)
class Matches:
    """What is kept of each picture once detections and truth were matched: 34 bytes a detection, 13 a truth.

    Of detections, in the order of pictures, then classes, then falling scores: `found_pictures` int32, `found_classes`
    int32, `scores` float64, `ranks` uint8 (place within picture and class, 255 for all beyond), `hits` and `ignored`
    (detection, area) uint16 as in `Matched`, and `verdicts` uint8 as `match_voc` says. Of truth: `truth_pictures` and
    `truth_classes` int32, and `counted` (truth, 5) bool: in each of `AREAS` by COCO, and by VOC.
    """

    found_pictures: np.ndarray
    found_classes: np.ndarray
    scores: np.ndarray
    ranks: np.ndarray
    hits: np.ndarray
    ignored: np.ndarray
    verdicts: np.ndarray
    truth_pictures: np.ndarray
    truth_classes: np.ndarray
    counted: np.ndarray

    def by_class(self, classes: int, *, voc: bool = False) -> Iterator[np.ndarray]:
        """The rows of the detections of each class, the surest first; of equal scores the earlier picture's, as
        pycocotools sorts. COCO looks at the first `MOST_LOOKED_AT` of a class and picture, `voc` at all."""
        rows = np.arange(len(self.scores)) if voc else np.flatnonzero(self.ranks < MOST_LOOKED_AT)
        rows = rows[np.lexsort((-self.scores[rows], self.found_classes[rows]))]
        yield from np.split(rows, np.searchsorted(self.found_classes[rows], np.arange(1, classes)))

    def truths(self, classes: int) -> np.ndarray:
        """How many there are by class (class, 5), columns as in `counted`."""
        counts = np.zeros((classes, len(AREAS) + 1), np.int64)
        np.add.at(counts, self.truth_classes, self.counted)
        return counts


@dataclass(frozen=True)
class Curves:
    """COCO's tables (`COCOeval.eval`), float64: `precisions` (limit, recall, class, area) and `recalls` (limit, class,
    area, most), most as in `LOOKED_AT`; NaN for what has no truth, where COCO writes -1."""

    precisions: np.ndarray
    recalls: np.ndarray


def curves_of(matches: Matches, classes: int) -> Curves:
    """Precision at each recall of `RECALLS`, the greatest there or beyond, and the recall of all detections."""
    limits, areas = len(IOU_LIMITS), len(AREAS)
    precisions = np.full((limits, len(RECALLS), classes, areas), np.nan)
    recalls = np.full((limits, classes, areas, len(LOOKED_AT)), np.nan)
    truths = matches.truths(classes)[:, :areas]
    for index, rows in enumerate(matches.by_class(classes)):
        ranks = matches.ranks[rows]
        for area in np.flatnonzero(truths[index]):
            hits, ignored = matches.hits[rows, area], matches.ignored[rows, area]
            for limit in range(limits):
                right = np.flatnonzero(hits >> limit & 1)
                for column, most in enumerate(LOOKED_AT):
                    recalls[limit, index, area, column] = np.count_nonzero(ranks[right] < most) / truths[index, area]
                precisions[limit, :, index, area] = 0.0
                if not len(right):
                    continue
                # Precision made monotonous steps at what is right alone: nothing else needs to be looked at.
                given, found = np.cumsum(~ignored >> limit & 1)[right], np.arange(1, len(right) + 1)
                best = np.maximum.accumulate((found / (given + np.spacing(1)))[::-1])[::-1]
                first = np.searchsorted(found / truths[index, area], RECALLS)
                precisions[limit, : np.searchsorted(first, len(right)), index, area] = best[first[first < len(right)]]
    return Curves(precisions, recalls)


def coco_metrics(curves: Curves) -> dict[str, float]:
    """COCO's twelve figures, means over the classes that have truth; NaN where none has.

    `map` is the mean over the limits 0.5 to 0.95, `map50` and `map75` are those at one; `map_small` and so on count
    truth by its area; `ar1`, `ar10` and `ar100` are the mean recall of so many detections a class and picture.
    """
    precisions, recalls = curves.precisions, curves.recalls
    return {
        "map": mean_of_known(precisions[..., 0]),
        "map50": mean_of_known(precisions[0, ..., 0]),
        "map75": mean_of_known(precisions[5, ..., 0]),
        **{f"map_{name}": mean_of_known(precisions[..., area]) for area, name in enumerate(AREAS) if area},
        **{f"ar{most}": mean_of_known(recalls[:, :, 0, column]) for column, most in enumerate(LOOKED_AT)},
        **{f"ar_{name}": mean_of_known(recalls[:, :, area, -1]) for area, name in enumerate(AREAS) if area},
    }


def mean_of_known(values: np.ndarray) -> float:
    """The mean of all that is not NaN; NaN where all is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def voc_metrics(matches: Matches, classes: int) -> dict[str, float]:
    """`voc_map`, the area below precision made monotonous (VOC 2010 to 2012), and `voc_map_11`, its mean at the recalls
    0, 0.1, ... 1 (VOC 2007): means over classes with truth that is not difficult, at the limit 0.5."""
    truths = matches.truths(classes)[:, -1]
    every, eleven = np.full((2, classes), np.nan)
    for index, rows in enumerate(matches.by_class(classes, voc=True)):
        if not truths[index]:
            continue
        verdicts = matches.verdicts[rows]
        verdicts = verdicts[verdicts != LEFT_OUT]
        found = np.cumsum(verdicts == TRUE)
        best = np.maximum.accumulate((found / np.arange(1, len(found) + 1))[::-1])[::-1]
        best = np.append(best, 0.0)
        every[index] = np.sum(best[:-1] * np.diff(found, prepend=0)) / truths[index]
        eleven[index] = best[np.searchsorted(found / truths[index], VOC_RECALLS)].mean()
    return {"voc_map": mean_of_known(every), "voc_map_11": mean_of_known(eleven)}


@dataclass(frozen=True)
class ScoreLimit:
    """Boxes are given from the score `threshold` on; `f1` is theirs, at IoU 0.5, where the limit was chosen."""

    threshold: float
    f1: float


def score_limit(matches: Matches, classes: int) -> ScoreLimit | None:
    """The score of the greatest F1 at IoU 0.5 over the boxes of all classes; of several as good the highest. None where
    nothing is ever right. Crowds, and detections that found one, count for nothing.
    """
    rows = np.concatenate(list(matches.by_class(classes)))
    rows = rows[matches.ignored[rows, 0] & 1 == 0]
    rows = rows[np.argsort(-matches.scores[rows], kind="stable")]
    scores, right = matches.scores[rows], np.cumsum(matches.hits[rows, 0] & 1)
    last = np.flatnonzero(np.diff(scores, append=-np.inf))  # of each run of equal scores, which are given together
    f1 = 2.0 * right[last] / (last + 1 + matches.truths(classes)[:, 0].sum())
    if not len(last) or f1.max() == 0:
        return None
    best = int(np.argmax(f1))
    return ScoreLimit(float(scores[last[best]]), float(f1[best]))
