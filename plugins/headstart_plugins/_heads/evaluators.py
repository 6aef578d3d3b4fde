"""What evaluators share: sums over rows, which merge by adding, rows that are kept, and scores from counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from headstart.specs import Evaluation
from headstart_plugins._heads.task import LinearHeadTask

Task = TypeVar("Task", bound=LinearHeadTask)

RESAMPLES = 1000
"""Of the bootstrap, as a rule."""


def middle_95(values: np.ndarray) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles of `values` (resample,)."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def drawn_rows(count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """RESAMPLES times `count` places (count,) below it, drawn with replacement: those of `resampled_sums`, too."""
    random = np.random.default_rng(seed)
    for _ in range(RESAMPLES):
        yield random.integers(0, count, count)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part` / `whole` (...) float64, NaN where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    quotient: np.ndarray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return quotient


def f1_scores(hits: np.ndarray, given: np.ndarray, true: np.ndarray) -> np.ndarray:
    """F1 (...), 2 hits / (given + true); NaN for a class that is neither present nor predicted."""
    return ratio(2.0 * hits, given + true)


def describe_classes(
    classes: Sequence[str], hits: np.ndarray, given: np.ndarray, true: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and support by class name, from counts (class,); None where a ratio has nothing to divide
    by."""
    columns = {"precision": ratio(hits, given), "recall": ratio(hits, true), "f1": f1_scores(hits, given, true)}
    return {
        name: {
            **{key: None if np.isnan(values[index]) else float(values[index]) for key, values in columns.items()},
            "support": int(true[index]),
        }
        for index, name in enumerate(classes)
    }


class Sums(ABC, Generic[Task]):
    """Named arrays of sums over rows: all that a RunningEvaluator of `task` knows, whatever the number of rows."""

    def __init__(self, task: Task, sums: Mapping[str, np.ndarray]) -> None:
        self.task, self.sums = task, dict(sums)

    @abstractmethod
    def metrics(self) -> Mapping[str, float]:
        """See `headstart.specs.Evaluator`."""

    def result(self) -> Evaluation:
        """The metrics."""
        return Evaluation(self.metrics())

    def merge(self, other: Any) -> None:
        """See `headstart.specs.Evaluator`."""
        self.sums = {name: own + other.sums[name] for name, own in self.sums.items()}

    def state(self) -> Mapping[str, np.ndarray]:
        """See `headstart.specs.RunningEvaluator`."""
        return {name: own.copy() for name, own in self.sums.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `headstart.specs.RunningEvaluator`."""
        self.sums = {name: np.array(state[name], own.dtype) for name, own in self.sums.items()}


class Kept(Generic[Task]):
    """Rows that are kept as they come, by name: for a `task` with few numbers a row."""

    def __init__(self, task: Task) -> None:
        self.task = task
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
