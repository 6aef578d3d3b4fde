"""Where batches come from: arrays that are there, or samples that are varied anew each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from headstart.data.order import batches
from headstart.data.views import Mixed

Arrays = Mapping[str, np.ndarray]
LARGE = 8 * 2**20
"""Bytes in a batch where no weight learns and nothing is drawn: it costs one call instead of many."""


class Samples(Protocol):
    """Training samples as seen from a cut: `count` rows, each epoch in a given order."""

    @property
    def count(self) -> int:
        """Rows in an epoch."""

    def take(self, epoch: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The tensors (batch, ...) of `rows` (batch,) in `epoch`."""

    def partners(self, epoch: int, rows: np.ndarray) -> Mixed | None:
        """Whom `rows` (batch,) are mixed with in `epoch`, by which their targets are to be mixed; None where no sample
        ever is."""


@dataclass(frozen=True)
class Stored:
    """Samples whose tensors are at hand, one set of arrays (rows, ...) a view; epochs go round the views.

    `mixed` says for each view whom all rows were mixed with; it is empty where none ever is.
    """

    views: tuple[Arrays, ...]
    mixed: tuple[Mixed, ...] = ()

    @property
    def count(self) -> int:
        """Rows in a view."""
        return len(next(iter(self.views[0].values())))

    def take(self, epoch: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        """See `Samples`."""
        view = self.views[epoch % len(self.views)]
        return {name: array[rows] for name, array in view.items()}

    def partners(self, epoch: int, rows: np.ndarray) -> Mixed | None:
        """See `Samples`."""
        if not self.mixed:
            return None
        view = self.mixed[epoch % len(self.mixed)]
        return Mixed(view.rows[rows], view.shares[rows])


def _never_mixed(_epoch: int, _rows: np.ndarray) -> None:
    return None


@dataclass(frozen=True)
class Drawn:
    """Samples that are augmented anew each epoch: `draw(epoch, rows)` gives their tensors, `mixed` their partners."""

    count: int
    draw: Callable[[int, np.ndarray], Arrays]
    mixed: Callable[[int, np.ndarray], Mixed | None] = _never_mixed

    def take(self, epoch: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        """See `Samples`."""
        return dict(self.draw(epoch, rows))

    def partners(self, epoch: int, rows: np.ndarray) -> Mixed | None:
        """See `Samples`."""
        return self.mixed(epoch, rows)


def in_order(samples: Samples, batch_size: int) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """All rows as batches of one size, each with the number of its rows that count; the last is padded by repeating."""
    for rows, mask in batches(np.arange(samples.count), batch_size):
        yield samples.take(0, rows), int(mask.sum())


def size_in_order(samples: Samples, batch_size: int) -> int:
    """The size of batches to go through all rows in: `batch_size`, or of stored samples as many as make LARGE bytes."""
    if not isinstance(samples, Stored):
        return batch_size
    bytes_a_row = sum(array[:1].nbytes for array in samples.views[0].values())
    return max(batch_size, min(samples.count, LARGE // max(1, bytes_a_row)))
