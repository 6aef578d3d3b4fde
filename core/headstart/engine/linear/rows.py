"""Features and their targets as rows below one another, read in fixed blocks: never copied whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headstart.engine.batch import concatenated, count_rows, take
from headstart.specs.base import Batch

BLOCK = 4096
"""Rows in a block. It is fixed, so that sums over blocks are the same to the bit wherever they are taken."""


@dataclass(frozen=True)
class Part:
    """Samples with one array (sample, channel) float32 a view, in memory or mapped; `targets` are named
    arrays (sample, ...)."""

    views: tuple[np.ndarray, ...]
    targets: Batch


@dataclass(frozen=True)
class Rows:
    """Every view of every part, below one another. All parts have the same channels."""

    parts: tuple[Part, ...]

    def __add__(self, other: Rows) -> Rows:
        return Rows(self.parts + other.parts)

    def __len__(self) -> int:
        return sum(len(view) for part in self.parts for view in part.views)

    @property
    def channels(self) -> int:
        """Length of a row."""
        return int(self.parts[0].views[0].shape[1])

    @property
    def samples(self) -> int:
        """Samples, each counted once however many views it has."""
        return sum(count_rows(part.targets) for part in self.parts)

    @property
    def targets(self) -> Batch:
        """The targets of each row (row, ...), in the order of the blocks."""
        return concatenated([part.targets for part in self.parts for _ in part.views])

    def blocks(self) -> Iterator[tuple[np.ndarray, Batch]]:
        """Features (block, channel) and targets (block, ...), BLOCK rows or fewer; none crosses the end of an array."""
        for part in self.parts:
            for view in part.views:
                for start in range(0, len(view), BLOCK):
                    rows = slice(start, start + BLOCK)
                    yield view[rows], take(part.targets, rows)

    def by_sample(self, every: int, batch: int) -> Iterator[tuple[np.ndarray, Batch]]:
        """All views of every `every`-th sample of each part: (sample, view, channel) and targets, `batch` at a time."""
        for part in self.parts:
            for start in range(0, count_rows(part.targets), every * batch):
                picked = slice(start, start + every * batch, every)
                yield np.stack([view[picked] for view in part.views], axis=1), take(part.targets, picked)

    def columns(self, start: int, stop: int) -> np.ndarray:
        """Channels `start` to `stop` of every row, (row, channel) float64."""
        views = [view[:, start:stop] for part in self.parts for view in part.views]
        return np.concatenate(views, dtype=np.float64)
