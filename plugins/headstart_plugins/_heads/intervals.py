"""Intervals of metrics, out of what they are in resamples."""

from __future__ import annotations

import numpy as np


def middle_95(values: np.ndarray) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles of `values` (resample,)."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
