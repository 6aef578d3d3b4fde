"""Weights averaged after training: a greedy soup of several outcomes, and interpolation with the start.

Both choose on val, and cost a pass over it for each try.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key

import numpy as np

Arrays = Mapping[str, np.ndarray]
Metrics = Mapping[str, float]
Measure = Callable[[Arrays], Metrics]
"""Metrics on val of weights (by name, in their own shapes)."""
IsBetter = Callable[[Metrics, Metrics], bool]
"""Whether the first metrics are better than the second."""


@dataclass(frozen=True)
class Outcome:
    """Weights, with their metrics on val and the epoch after which they were reached, 0 being the start."""

    arrays: Arrays
    metrics: Metrics
    epoch: int = 0


def greedy_soup(outcomes: Sequence[Outcome], measure: Measure, is_better: IsBetter) -> tuple[Outcome, tuple[int, ...]]:
    """The average of the best outcome and of each other one, best first, where the average with it is no worse on val;
    and the places of those that went in.

    Algorithm 1 of Wortsman et al. 2022 (arXiv:2203.05482), but for metrics that tie: `is_better` may settle these, by
    the loss.
    """

    def compare(one: int, other: int) -> int:
        first, second = outcomes[one].metrics, outcomes[other].metrics
        return is_better(second, first) - is_better(first, second)

    order = sorted(range(len(outcomes)), key=cmp_to_key(compare))  # best first
    members, best = [order[0]], outcomes[order[0]]
    for place in order[1:]:
        tried = [*members, place]
        arrays = mean_of([outcomes[each].arrays for each in tried])
        metrics = measure(arrays)
        if not is_better(best.metrics, metrics):
            members, best = tried, Outcome(arrays, metrics)
    return best, tuple(members)


def mean_of(several: Sequence[Arrays]) -> Arrays:
    """The mean of each weight, added up in float64."""
    return {
        name: np.mean([arrays[name] for arrays in several], axis=0, dtype=np.float64).astype(array.dtype)
        for name, array in several[0].items()
    }


def interpolated(start: Arrays, end: Arrays, share: float) -> Arrays:
    """(1 - `share`) of `start` and `share` of `end`: WiSE-FT (Wortsman et al. 2021, arXiv:2109.01903, equation 1)."""
    return {
        name: ((1 - share) * start[name].astype(np.float64) + share * array.astype(np.float64)).astype(array.dtype)
        for name, array in end.items()
    }


def best_share(
    start: Outcome, end: Outcome, shares: Sequence[float], measure: Measure, is_better: IsBetter
) -> tuple[Outcome, float]:
    """The best of `end`, the interpolations at `shares`, and `start`, with its share of `end`; of equal ones the one of
    the larger share."""
    best, chosen = end, 1.0
    for share in sorted({*shares, 0.0} - {1.0}, reverse=True):
        arrays = interpolated(start.arrays, end.arrays, share) if share else start.arrays
        outcome = Outcome(arrays, measure(arrays)) if share else start
        if is_better(outcome.metrics, best.metrics):
            best, chosen = outcome, share
    return best, chosen
