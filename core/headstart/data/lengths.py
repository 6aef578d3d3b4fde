"""Rows of different lengths: batches of like ones, each cut to one of a few static lengths.

Rows are stored padded to the longest static length. A batch needs no more than the static length that holds its
longest row, and a backend compiles one program for each of them. Rows are put together with others of their static
length, so that little is computed on padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

WINDOW = 64
"""Batches among whose rows those of like length are put together: an epoch stays well shuffled."""
BATCHES = 1
"""Part of the seed that the order of batches is drawn from, so that it is not drawn from that of the rows."""


@dataclass(frozen=True)
class Lengths:
    """How much of its length axes each row uses, `used` (row,) int64, and the `static` lengths, ascending; the last is
    the one that rows are stored at."""

    used: np.ndarray
    static: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raises ValueError for static lengths that do not ascend, and for a row longer than all of them."""
        if list(self.static) != sorted(set(self.static)) or not self.static or self.static[0] < 1:
            raise ValueError(f"static lengths must ascend from 1 on, received {self.static}")
        if len(self.used) and not 0 <= self.used.min() <= self.used.max() <= self.static[-1]:
            raise ValueError(f"rows have lengths {self.used.min()} to {self.used.max()} of {self.static[-1]} at most")

    @property
    def places(self) -> np.ndarray:
        """For each row (row,) int64 the place of the smallest static length that holds it."""
        return np.searchsorted(self.static, self.used)

    def only(self, rows: np.ndarray) -> Lengths:
        """Those of `rows`."""
        return Lengths(self.used[rows], self.static)

    def of_batch(self, rows: np.ndarray) -> int:
        """The static length for a batch of `rows`."""
        return self.static[int(np.searchsorted(self.static, self.used[rows].max()))]

    def together(self, order: np.ndarray, batch_size: int, *, seed: int, epoch: int) -> np.ndarray:
        """`order` (count,) with rows of like length in the same batch of `batch_size`; what is left is the last one.

        Within windows of WINDOW batches rows are sorted by their static length, stably; then the batches are shuffled:
        a function of `order`, the lengths, `seed` and `epoch` alone.
        """
        places = self.places
        size = WINDOW * batch_size
        windows = [order[start : start + size] for start in range(0, len(order), size)]
        by_length = [window[np.argsort(places[window], kind="stable")] for window in windows]
        row = np.concatenate(by_length) if by_length else order
        whole = len(row) // batch_size
        bits = np.random.Philox(np.random.SeedSequence([seed, epoch, BATCHES]))
        shuffled = np.argsort(bits.random_raw(whole), kind="stable") if whole else np.zeros(0, np.int64)
        batches = row[: whole * batch_size].reshape(whole, batch_size)[shuffled]
        return np.concatenate([batches.ravel(), row[whole * batch_size :]])

    def ascending(self) -> np.ndarray:
        """All rows (row,) int64, the shortest first, for passes whose order does not matter."""
        return np.argsort(self.places, kind="stable").astype(np.int64)


def cut_to(tensors: Mapping[str, np.ndarray], axes: Mapping[str, int], lengths: Sequence[int]) -> dict[str, np.ndarray]:
    """Tensors (batch, ...) with their length axes cut from the longest of two `lengths`, (static, longest), to the
    static one. `axes` has the length axis of each tensor that has one, without the batch axis.

    An axis that a stage made shorter is cut in proportion, rounded up.
    """
    static, longest = lengths
    cut = dict(tensors)
    for name, axis in axes.items():
        if name in cut and static < longest:
            size = -(-cut[name].shape[axis + 1] * static // longest)
            cut[name] = cut[name][(slice(None),) * (axis + 1) + (slice(size),)]
    return cut
