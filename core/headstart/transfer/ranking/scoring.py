"""Every score asked about one source: what it is told, and the interval around what it says."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from threadpoolctl import threadpool_limits

from headstart.errors import DataError
from headstart.lists import in_line
from headstart.registry import Registry
from headstart.specs import Observed, Score, Scored, ScoreRequest, ScoreSpec
from headstart.transfer.ranking.rows import Found

RESAMPLES = 60
"""Of the bootstrap: the deviation of so many is known to a tenth."""
NORMAL_95 = NormalDist().inv_cdf(0.975)
SMALL = 2**24
"""Numbers of features below which scores take one thread: several would wait for each other longer than they
compute."""


def sound(values: np.ndarray) -> np.ndarray:
    """Classes renumbered so that each has a record, or the columns of numbers that vary."""
    if np.issubdtype(values.dtype, np.integer):
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    return values[:, np.ptp(values, axis=0) > 0.0]


def observed_in_forms(
    features: np.ndarray, forms: Mapping[str, np.ndarray], groups: np.ndarray, answers: np.ndarray | None
) -> dict[str, Observed]:
    """What scores are asked about, by the form of its targets; resamples weigh the records of a group alike."""
    by_group = np.random.default_rng(0).standard_exponential((RESAMPLES, int(groups.max()) + 1))
    weights = by_group[:, groups]
    weights *= len(groups) / weights.sum(axis=1, keepdims=True)
    first: Observed | None = None
    found = {}
    for form, targets in forms.items():
        if first is None:
            found[form] = first = Observed(features, form, targets, groups, weights, answers)
        else:
            found[form] = dataclasses.replace(first, form=form, targets=targets)
    return found


def measure_all(observed: Mapping[str, Observed], registry: Registry) -> tuple[dict[str, Found], dict[str, str]]:
    """What every score says, by short name, and of those that say nothing why. Raises PluginError where one gives what
    is no number."""
    found: dict[str, Found] = {}
    refused: dict[str, str] = {}
    whole = max((each.features.size for each in observed.values()), default=0)
    # products of small matrices are fastest on one thread
    with threadpool_limits(1, user_api="blas") if whole < SMALL else contextlib.nullcontext():
        _measure(observed, registry, found, refused)
    return found, refused


def _measure(
    observed: Mapping[str, Observed], registry: Registry, found: dict[str, Found], refused: dict[str, str]
) -> None:
    for spec in registry.specs("scores"):
        form = next((each for each in spec.reads if each in observed), None)
        if form is None:
            refused[spec.short_name] = f"it is defined on {' or '.join(spec.reads)}; the task has {', '.join(observed)}"
            continue
        if spec.asks_head and observed[form].answers is None:
            refused[spec.short_name] = "the source's own head is not at hand"
            continue
        score: Score = registry.load_target(spec, spec.build)(ScoreRequest(spec.options()))
        try:
            scored = score.measure(observed[form])
        except DataError as error:
            refused[spec.short_name] = error.message
            continue
        found[spec.short_name] = with_interval(scored, spec, registry)


def with_interval(scored: Scored, spec: ScoreSpec, registry: Registry) -> Found:
    """The value, and what it would be in 95 of 100 sets of records, as the score says, or by the deviation of the
    resamples: what these are shifted by comes of records that weigh more than once."""
    resampled = np.asarray(scored.resampled, np.float64)
    stated = [scored.value] if scored.baseline is None else [scored.value, scored.baseline.value]
    if not (all(map(math.isfinite, stated)) and np.isfinite(resampled).all()):
        raise registry.failure(spec, f"gave {in_line([str(each) for each in stated])} for finite features")
    half = NORMAL_95 * float(resampled.std(ddof=1))
    low, high = scored.interval or (scored.value - half, scored.value + half)
    low = low if spec.low is None else max(low, spec.low)
    high = high if spec.high is None else min(high, spec.high)
    return Found(float(scored.value), (low, high), tuple(resampled.tolist()), scored.baseline)
