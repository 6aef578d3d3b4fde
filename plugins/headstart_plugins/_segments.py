"""Counts of segments, which are sentences or clips: kept or summed as they come, resampled, and the worst segments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart_plugins._heads.evaluators import RESAMPLES

MOST_DRAWS = 2**18
"""Segments times resamples that are drawn at a time, which bounds the memory. The draws do not depend on it."""


class SegmentCounts:
    """Counts by segment: all of them, (segment, column), or with `summed` their sums alone, which stay small.

    What a score of a whole set needs is in the sums; the bootstrap wants each segment's own.
    """

    def __init__(self, columns: int, *, summed: bool = False) -> None:
        self.summed = summed
        self.sums = np.zeros(columns, np.int64)
        self.segments = 0
        self._parts: list[np.ndarray] = []

    def add(self, rows: np.ndarray) -> None:
        """Add segments: whole numbers (segment, column)."""
        self.sums = self.sums + rows.sum(axis=0, dtype=np.int64)
        self.segments += len(rows)
        if not self.summed and len(rows):
            self._parts.append(np.array(rows, np.int32))

    def merge(self, other: SegmentCounts) -> None:
        """Add the segments of `other` after the own ones."""
        self.sums = self.sums + other.sums
        self.segments += other.segments
        self._parts += other._parts

    @property
    def rows(self) -> np.ndarray:
        """All segments (segment, column) int32, in the order they came. Raises ValueError where only sums are kept."""
        if self.summed:
            raise ValueError("only the sums over segments are kept")
        if len(self._parts) != 1:
            self._parts = [np.concatenate([np.zeros((0, len(self.sums)), np.int32), *self._parts])]
        return self._parts[0]

    def state(self) -> Mapping[str, np.ndarray]:
        """See `headstart.specs.RunningEvaluator`: the sums."""
        return {"sums": self.sums.copy(), "segments": np.array([self.segments], np.int64)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `headstart.specs.RunningEvaluator`: of one that keeps sums alone."""
        self.sums = np.array(state["sums"], np.int64)
        self.segments = int(state["segments"][0])


def resampled_sums(rows: np.ndarray, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Sums (resample, column) float64 over as many of the `rows` (segment, column) as there are, drawn with
    replacement (Efron & Tibshirani 1993).

    The same segments are drawn for the same number of them and the same seed, so that two systems are resampled
    together.
    """
    random = np.random.default_rng(seed)
    count = len(rows)
    at_once = int(np.clip(MOST_DRAWS // max(1, count), 1, resamples))
    values, parts = rows.astype(np.float64), []
    for start in range(0, resamples, at_once):
        drawn = random.integers(0, count, (min(at_once, resamples - start), count))
        weights = np.stack([np.bincount(each, minlength=count) for each in drawn])
        parts.append(weights.astype(np.float64) @ values)
    return np.concatenate(parts)


@dataclass(frozen=True)
class Ranked:
    """A segment with what a report shows of it; a lower `rank` comes first."""

    rank: tuple[float, ...]
    shown: Mapping[str, Any]


class FirstOf:
    """The first few of any number of segments by their rank; of equal ones those that came earlier."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept: list[Ranked] = []

    def add(self, segments: Iterable[Ranked]) -> None:
        """Add segments in their order."""
        self.kept = sorted([*self.kept, *segments], key=lambda each: each.rank)[: self.most]

    def merge(self, other: FirstOf) -> None:
        """Add those of `other`, which came later."""
        self.add(other.kept)

    def shown(self) -> list[dict[str, Any]]:
        """What is shown of each, the first by rank first."""
        return [dict(each.shown) for each in self.kept]


def require_as_many(what: Mapping[str, Sequence[Any]]) -> None:
    """Raises ValueError with the lengths where these sequences, by name, are not all of one length.

    Libraries that score texts pair them up to the end of the shorter list, without a word.
    """
    if len({len(each) for each in what.values()}) > 1:
        raise ValueError("expected as many of each; received " + ", ".join(f"{len(v)} {k}" for k, v in what.items()))
