"""Two models on the same samples: what one scores above the other, by the paired bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headstart.errors import UsageError

if TYPE_CHECKING:
    from headstart.engine.scoring import Scores

ROUNDING = 1e-12
"""By how much two differences that are equal may be apart as floats."""


@dataclass(frozen=True)
class Difference:
    """What the first model scores above the second: the `difference`, its 95 % `interval`, and `p_value`, how often
    resamples that are alike by chance would be as far apart or farther."""

    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    p_value: float


def differences(first: Scores, second: Scores) -> dict[str, Difference]:
    """By metric, of scores of the same samples in the same order, which are resampled together (Efron & Tibshirani
    1993, An Introduction to the Bootstrap, chapter 16; of translations Koehn 2004, EMNLP).

    Raises UsageError where a task does not say how its scores vary, and where the two share no such metric.
    """
    found, others = first.metrics(), second.metrics()
    mine, theirs = first.resampled(), second.resampled()
    shared = [name for name in mine if name in theirs and name in found and name in others]
    if not shared:
        raise UsageError("the two runs share no metric that can be resampled", hint="name runs of the same task")
    moved = {name: mine[name] - theirs[name] for name in shared}
    known = {name: values[~np.isnan(values)] for name, values in moved.items()}
    return {
        name: _difference(found[name], others[name], values)
        for name, values in known.items()
        if len(values) and not np.isnan(found[name] - others[name])
    }


def as_documents(found: Mapping[str, Difference]) -> dict[str, dict[str, object]]:
    """As plain values."""
    return {name: {**vars(each), "interval": list(each.interval)} for name, each in found.items()}


def _difference(first: float, second: float, resampled: np.ndarray) -> Difference:
    """`resampled` (resample,) float64 are differences. For the p-value they are moved so that they vary around 0, as
    those of models that are alike would: how many of |d* - d| are |d| or more, plus one in each count (Riezler &
    Maxwell 2005, on significance tests of translations). sacrebleu's (2.6), of |d*| less their mean, is below 0.05 by
    chance about twice as often as it should be, and 0.001 where no resample differs."""
    apart = np.abs(resampled - (first - second))
    beyond = int(np.sum(apart >= abs(first - second) - ROUNDING))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Difference(first, second, first - second, (float(low), float(high)), (beyond + 1) / (len(apart) + 1))
