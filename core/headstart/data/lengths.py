"""Rows of different lengths: batches of like ones, each cut to one of a few static lengths.

Rows are stored padded to the longest static length. A batch needs no more than the static length that holds its
longest row, where a backend compiles one program for each of them, and no more than its longest row where nothing is
compiled. Rows are put together with others of like length, so that little is computed on padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

WINDOW = 64
"""Batches among whose rows those of like length are put together: an epoch stays well shuffled."""


PARTS = 4
"""Classes of like lengths between one length and twice that: rows of a class differ by a fifth at most, and are many
enough to come in ever new batches."""


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
    def classes(self) -> np.ndarray:
        """For each row (row,) int64 its class of like lengths, ascending; a power of two is the longest of its own."""
        classes: np.ndarray = np.ceil(PARTS * np.log2(np.maximum(self.used, 1))).astype(np.int64)
        return classes

    def only(self, rows: np.ndarray) -> Lengths:
        """Those of `rows`."""
        return Lengths(self.used[rows], self.static)

    def of_batch(self, rows: np.ndarray, *, any_length: bool = False) -> int:
        """The static length for a batch of `rows`; with `any_length` that of its longest, but no less than the smallest
        static one."""
        longest = int(self.used[rows].max())
        return max(longest, self.static[0]) if any_length else self.static[int(np.searchsorted(self.static, longest))]

    def middling(self, count: int) -> np.ndarray:
        """The rows (at most count,) int64 of the lengths in the middle."""
        order = self.ascending()
        return order[max(0, (len(order) - count) // 2) :][:count]

    def together(self, order: np.ndarray, batch_size: int) -> np.ndarray:
        """`order` (count,) with rows of like length in the same batch of `batch_size`; what is left is the last one.

        Within windows of WINDOW batches rows are sorted by their class of like lengths, stably. Then the batches are
        put in the order in which their first rows came, so that short and long ones alternate as the rows did.
        """
        classes = self.classes
        size = WINDOW * batch_size
        windows = [np.arange(start, min(start + size, len(order))) for start in range(0, len(order), size)]
        sorted_windows = [window[np.argsort(classes[order[window]], kind="stable")] for window in windows]
        came = np.concatenate(sorted_windows) if windows else np.zeros(0, np.int64)  # places in `order`
        whole = len(came) // batch_size * batch_size
        batches = came[:whole].reshape(-1, batch_size)
        batches = batches[np.argsort(batches.min(axis=1), kind="stable")]
        together: np.ndarray = order[np.concatenate([batches.ravel(), came[whole:]])]
        return together

    def ascending(self) -> np.ndarray:
        """All rows (row,) int64, the shortest first, for passes whose order does not matter."""
        return np.argsort(self.used, kind="stable").astype(np.int64)


def cut_to(
    tensors: Mapping[str, np.ndarray], axes: Mapping[str, int], static: int, longest: int
) -> dict[str, np.ndarray]:
    """Tensors (batch, ...) with their length axes cut from those of rows `longest` long to those of `static` long ones.

    `axes` has the length axis of each tensor that has one, without the batch axis. An axis that a stage made shorter is
    cut in proportion, rounded up.
    """
    cut = dict(tensors)
    for name, axis in axes.items():
        if name in cut and static < longest:
            size = -(-cut[name].shape[axis + 1] * static // longest)
            cut[name] = cut[name][(slice(None),) * (axis + 1) + (slice(size),)]
    return cut


def padded_from(
    tensors: Mapping[str, np.ndarray], axes: Mapping[str, int], static: int, longest: int
) -> dict[str, np.ndarray]:
    """What `cut_to` was given, with zeros where it cut."""
    padded = dict(tensors)
    for name, axis in axes.items():
        if name in padded and static < longest:
            array = padded[name]
            missing = -(-array.shape[axis + 1] * longest // static) - array.shape[axis + 1]
            padded[name] = np.pad(array, [(0, missing if place == axis + 1 else 0) for place in range(array.ndim)])
    return padded
