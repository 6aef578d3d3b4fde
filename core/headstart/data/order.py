"""The order of samples: a pure function of (seed, epoch), so that a resumed run continues exactly where it
was."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """A permutation (count,) int64 of range(count), drawn from `seed` >= 0 and `epoch` >= 0 alone.

    Sorts the raw 64-bit output of Philox (Salmon et al. 2011) instead of calling `Generator.permutation`:
    numpy keeps the stream of a bit generator from release to release, and promises nothing about the methods
    of a Generator.
    """
    raw = np.random.Philox(np.random.SeedSequence([seed, epoch])).random_raw(count)
    return np.argsort(raw, kind="stable").astype(np.int64)


def batches(order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut `order` (count,) into (indices (batch,) int64, mask (batch,) float32), every batch of the same
    size.

    The last batch is filled up by repeating its last index; the mask is 0 there and 1 elsewhere.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    for start in range(0, len(order), batch_size):
        indices = np.asarray(order[start : start + batch_size], np.int64)
        mask = np.zeros(batch_size, np.float32)
        mask[: len(indices)] = 1.0
        yield np.pad(indices, (0, batch_size - len(indices)), mode="edge"), mask
