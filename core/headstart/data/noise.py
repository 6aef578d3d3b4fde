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
        # Linear interpolation of the axis to its full size, ends kept.
        places = np.linspace(0.0, slow.shape[axis] - 1.0, shape[axis])
        lower = np.minimum(places.astype(int), max(slow.shape[axis] - 2, 0))
        upper = np.minimum(lower + 1, slow.shape[axis] - 1)
        share = (places - lower).reshape([-1 if i == axis else 1 for i in range(slow.ndim)])
        below, above = np.take(slow, lower, axis), np.take(slow, upper, axis)
        slow = np.asarray(below * (1 - share) + above * share)
    slow /= max(float(slow.std()), 1e-6)
    noise = math.sqrt(0.5) * (slow + generator.standard_normal(shape))
    return noise.astype(np.float32)
