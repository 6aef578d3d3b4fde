"""Statistics of few paired figures: intervals over seeds, several claims at once, and curves over labels.

Differences are paired by seed: both sides had the same split, share of train and seed. Their mean has the interval of
Student's t on n - 1 degrees of freedom, which is exact for normal differences and wide for few seeds; a bootstrap of
three values would be far too narrow. Several claims are judged together by Holm's step-down procedure (Holm 1979, "A
simple sequentially rejective multiple test procedure"), which needs no independence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

LEVEL = 0.05
"""Of all claims together: the chance that one of them is made though nothing is there."""
Bound = Literal["", "at least", "at most"]
"""Whether a number of labels, or a ratio, is one, or where it would lie outside of what was measured, its bound."""


@dataclass(frozen=True)
class Paired:
    """A mean of `count` paired differences, with its 95 % interval and two-sided p-value.

    `low`, `high` and `p` are None where seeds tell nothing of how sure it is: of one pair, and of several that are all
    alike and not zero, which no seed changes.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    count: int

    @property
    def holds_zero(self) -> bool:
        """Whether the interval holds 0, or there is none."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


def paired(differences: Sequence[float]) -> Paired:
    """Student's t of paired `differences`, one for each seed. Raises ValueError for none."""
    from scipy import stats

    count = len(differences)
    if not count:
        raise ValueError("there is no pair to compare")
    mean = math.fsum(differences) / count
    if count == 1:
        return Paired(mean, None, None, None, count)
    if max(differences) == min(differences):
        return Paired(mean, 0.0, 0.0, 1.0, count) if mean == 0 else Paired(mean, None, None, None, count)
    error = float(np.std(np.asarray(differences, np.float64), ddof=1)) / math.sqrt(count)
    half = float(stats.t.ppf(1 - LEVEL / 2, count - 1)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, count - 1))
    return Paired(mean, mean - half, mean + half, p, count)


def holm(values: Sequence[float]) -> list[float]:
    """P-values that mind how many there are (Holm 1979): below LEVEL, a claim may be made beside all others."""
    adjusted, most = [1.0] * len(values), 0.0
    for passed, place in enumerate(sorted(range(len(values)), key=lambda each: values[each])):
        most = max(most, min(1.0, (len(values) - passed) * values[place]))
        adjusted[place] = most
    return adjusted


@dataclass(frozen=True)
class Labels:
    """How many labels a curve needs for a figure, or a `bound` of that."""

    count: float
    bound: Bound = ""


def rising(values: Sequence[float]) -> list[float]:
    """The closest values that never fall, by least squares: neighbours that do are pooled (Barlow et al. 1972)."""
    pools: list[tuple[float, int]] = []
    for value in values:
        mean, size = float(value), 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), size + count
        pools.append((mean, size))
    return [mean for mean, size in pools for _ in range(size)]


def labels_for(curve: Mapping[int, float], wanted: float) -> Labels:
    """How many labels the `curve` (figure by number of labels, higher is better) needs to reach `wanted`.

    Between two numbers it is taken as a line over the logarithm of the labels, and as never falling. Outside of what
    was measured, the nearest number is a bound.
    """
    counts = sorted(curve)
    values = rising([curve[count] for count in counts])
    if wanted > values[-1]:
        return Labels(counts[-1], "at least")
    place = next(place for place, value in enumerate(values) if value >= wanted)
    if values[place] == wanted or place == 0:
        return Labels(counts[place], "" if values[place] == wanted else "at most")
    below, above = values[place - 1], values[place]
    share = (wanted - below) / (above - below)
    return Labels(math.exp(math.log(counts[place - 1]) * (1 - share) + math.log(counts[place]) * share))


@dataclass(frozen=True)
class Saving:
    """What a `ratio` of labels it is: above 1, the control needs so many times as many for the same figure."""

    ratio: float
    bound: Bound = ""


def saving(curve: Mapping[int, float], control: Mapping[int, float]) -> Saving:
    """How many times the labels of `curve` those of `control` are for one figure, both over the same numbers.

    The figure is the best of the worse one, which both reach somewhere. Where that one stops to rise, its labels count
    up to there.
    """
    best = min(rising([each[count] for count in sorted(each)])[-1] for each in (curve, control))
    mine, theirs = labels_for(curve, best), labels_for(control, best)
    bounds: dict[tuple[bool, bool], Bound] = {(True, False): "at least", (False, True): "at most"}
    return Saving(theirs.count / mine.count, bounds.get((bool(mine.bound), bool(theirs.bound)), ""))
