"""What evaluators share: sums over rows, which merge by adding, and rows that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def middle_95(values: np.ndarray) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles of `values` (resample,)."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


class Sums:
    """Named arrays of sums over rows: all that a RunningEvaluator knows, whatever the number of rows."""

    def __init__(self, sums: Mapping[str, np.ndarray]) -> None:
        self.sums = dict(sums)

    def merge(self, other: Any) -> None:
        """See `headstart.specs.Evaluator`."""
        self.sums = {name: own + other.sums[name] for name, own in self.sums.items()}

    def state(self) -> Mapping[str, np.ndarray]:
        """See `headstart.specs.RunningEvaluator`."""
        return {name: own.copy() for name, own in self.sums.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `headstart.specs.RunningEvaluator`."""
        self.sums = {name: np.array(state[name], own.dtype) for name, own in self.sums.items()}


class Kept:
    """Rows that are kept as they come, by name: for tasks with few numbers a row."""

    def __init__(self) -> None:
        self._parts: dict[str, list[np.ndarray]] = {}

    def keep(self, **rows: np.ndarray) -> None:
        """Add rows: the same names each time, arrays (row, ...)."""
        for name, array in rows.items():
            self._parts.setdefault(name, []).append(np.array(array, copy=True))

    def merge(self, other: Any) -> None:
        """See `headstart.specs.Evaluator`."""
        for name, parts in other._parts.items():
            self._parts.setdefault(name, []).extend(parts)

    def __getitem__(self, name: str) -> np.ndarray:
        """All rows (row, ...) of that name, in the order they came. Raises KeyError where none was added."""
        self._parts[name] = [np.concatenate(self._parts[name])]
        return self._parts[name][0]
