"""The order of samples: a pure function of (seed, epoch), so that a resumed run continues exactly where it
was."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def epoch_order(seed: int, epoch: int, count: int, sampling_weights: np.ndarray | None = None) -> np.ndarray:
    """A permutation (count,) int64 of range(count), drawn from `seed` >= 0 and `epoch` >= 0 alone.

    Sorts the raw 64-bit output of Philox (Salmon et al. 2011) instead of calling `Generator.permutation`:
    numpy keeps the stream of a bit generator from release to release, and promises nothing about the methods
    of a Generator.

    With `sampling_weights` (row,) float64 >= 0, not all 0, it is `count` rows of range(len(sampling_weights)) with
    repetition, each expected count * weight / sum of weights times, which it misses by less than one: systematic
    resampling (Kitagawa 1996), then shuffled.
    """
    bits = np.random.Philox(np.random.SeedSequence([seed, epoch]))
    if sampling_weights is None:
        return np.argsort(bits.random_raw(count), kind="stable").astype(np.int64)
    # The rows whose spans, laid end to end, hold the points (start + 0, 1, ..., count - 1) / count.
    weights = np.asarray(sampling_weights, np.float64)
    ends = np.cumsum(weights)
    if not (np.isfinite(ends[-1]) and ends[-1] > 0 and weights.min() >= 0):
        raise ValueError("sampling_weights must be finite, none below 0, and not all 0")
    start = (int(bits.random_raw()) >> 11) * 2.0**-53
    points = (start + np.arange(count)) / count
    last = np.flatnonzero(weights)[-1]  # where rounding puts a point at the very end
    rows: np.ndarray = np.minimum(np.searchsorted(ends / ends[-1], points, side="right"), last).astype(np.int64)
    return rows[np.argsort(bits.random_raw(count), kind="stable")]


def batches(order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut `order` (count,) into (indices (batch,) int64, mask (batch,) float32), every batch of the same
    size.

    The last batch is filled up by repeating its last index; the mask is 0 there and 1 elsewhere.
    """
    return zip(*all_batches(order, batch_size), strict=True)


def all_batches(order: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """All that `batches` gives, as two arrays: indices (step, batch) int64 and mask (step, batch) float32."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    short = -len(order) % batch_size
    indices = np.pad(np.asarray(order, np.int64), (0, short), mode="edge")
    mask = np.pad(np.ones(len(order), np.float32), (0, short))
    return indices.reshape(-1, batch_size), mask.reshape(-1, batch_size)
