"""How honest probabilities are, and one number that makes them more so: for tasks that are Calibrates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from headstart.errors import DataError

BINS = 15
"""Bins of equal width, (0, 1/15] to (14/15, 1], as in Guo et al. 2017."""
LOG_TEMPERATURES = (-4.0, 6.0)
"""Natural logarithms of the lowest and the highest temperature that is looked for."""


def bins_of(probability: np.ndarray) -> np.ndarray:
    """The bin (answer,) int64, from 0, of each `probability` (answer,) in [0, 1]."""
    places: np.ndarray = np.clip(np.ceil(probability * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return places


def expected_calibration_error(
    probability: np.ndarray, happened: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Mean over all answers of |mean probability - share that happened| in the answer's bin (Guo et al. 2017, eq. 3).

    `probability` (answer,) lies in [0, 1]; `happened` (answer,) is 1 where what it speaks of is so, else 0. With
    `weights` (answer,) > 0, whole numbers say how often each answer counts; only their ratios matter.
    """
    given, so = np.asarray(probability, np.float64), np.asarray(happened, np.float64)
    counts = np.ones(len(given)) if weights is None else weights
    return float(np.abs(np.bincount(bins_of(given), (given - so) * counts, BINS)).sum() / np.sum(counts))


def fit_temperature(loss: Callable[[float], float]) -> float:
    """The temperature T > 0 at which `loss(T)` is least: by Brent's method, bounded, on log T.

    1 where the loss falls all the way down to the lowest temperature: so it does where every answer is right, which
    tells nothing of how sure they should be. Raises ValueError where the loss is not finite.
    """
    from scipy.optimize import minimize_scalar  # which those who only answer do without

    found = minimize_scalar(
        lambda log: loss(float(np.exp(log))), bounds=LOG_TEMPERATURES, method="bounded", options={"xatol": 1e-5}
    )
    if not np.isfinite(found.fun):
        raise ValueError(f"the loss is {found.fun} at every temperature")
    if loss(float(np.exp(LOG_TEMPERATURES[0]))) <= found.fun:
        return 1.0
    return float(np.exp(found.x))


def stored_temperature(labels: Mapping[str, Any]) -> float | None:
    """The temperature in labels.json, None where there is none. Raises DataError where it is no number above 0."""
    value = labels.get("temperature")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise DataError(f"labels must hold `temperature` as a number above 0; received {str(value)[:80]!r}")
    return float(value)
