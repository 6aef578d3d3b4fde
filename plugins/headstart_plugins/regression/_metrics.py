"""Scores of predicted numbers, and their 95 % intervals."""

from __future__ import annotations

import numpy as np

from headstart_plugins._heads.evaluators import middle_95

RESAMPLES = 1000


def scores(targets: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """R squared, root mean squared error and mean absolute error of (row,) float64 numbers.

    Where all targets are the same, R squared is 1 for the right answer and 0 for others, as in scikit-learn.
    """
    errors = predicted - targets
    squared = float(np.mean(errors**2))
    spread = float(np.var(targets)) if np.ptp(targets) > 0 else 0.0  # the variance of equal numbers can be 1e-34
    return {"r2": r_squared(squared, spread), "rmse": float(np.sqrt(squared)), "mae": float(np.mean(np.abs(errors)))}


def r_squared(squared: float, spread: float) -> float:
    """R squared from the mean squared error and the variance of the targets, `spread`."""
    constant = 1.0 if squared == 0.0 else 0.0
    return 1.0 - squared / spread if spread > 0.0 else constant


def intervals(targets: np.ndarray, predicted: np.ndarray, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of `scores` from 1000 resamples (Efron & Tibshirani 1993, chapter 13)."""
    random = np.random.default_rng(seed)
    parts = []
    for _ in range(RESAMPLES):
        drawn = random.integers(0, len(targets), len(targets))
        parts.append(scores(targets[drawn], predicted[drawn]))
    return {name: middle_95(np.array([part[name] for part in parts])) for name in parts[0]}
