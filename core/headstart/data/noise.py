"""Made-up samples that look a little like real ones: neighbours are alike."""

from __future__ import annotations

import math

import numpy as np

COARSE = 5
"""Points of the grid of the slow part along each axis."""


def smooth_noise(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Samples (sample, ..., channel) of about standard normal float32 values.

    Half of the variance is slow along every axis but the first and the last (a coarse grid, linearly interpolated), so
    that samples differ in more than noise; the other half is white.
    """
    axes = range(1, len(shape) - 1)
    coarse = [min(COARSE, size) if axis in axes else size for axis, size in enumerate(shape)]
    slow = generator.standard_normal(coarse)
    for axis in axes:
        slow = _stretched(slow, axis, shape[axis])
    slow /= max(float(slow.std()), 1e-6)
    noise = math.sqrt(0.5) * (slow + generator.standard_normal(shape))
    return noise.astype(np.float32)


def _stretched(values: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Linear interpolation of `axis` to `size` points, ends kept."""
    places = np.linspace(0.0, values.shape[axis] - 1.0, size)
    lower = np.minimum(places.astype(int), max(values.shape[axis] - 2, 0))
    upper = np.minimum(lower + 1, values.shape[axis] - 1)
    share = (places - lower).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    below, above = np.take(values, lower, axis), np.take(values, upper, axis)
    return np.asarray(below * (1 - share) + above * share)
