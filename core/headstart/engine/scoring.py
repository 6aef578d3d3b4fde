"""Scores of a split, batch by batch: the mean loss and the task's metrics, without keeping any output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from headstart.engine.batch import Batch, concatenated, count_rows, take
from headstart.specs import Calibrates, Evaluation, Facts, PoolsRows, Task

TOTALS = "totals"
EVALUATOR = "evaluator."


@dataclass(frozen=True)
class Rows:
    """Rows to score, all of the same length; no facts where none are known."""

    targets: Batch
    outputs: Batch
    losses: np.ndarray
    facts: Sequence[Facts]


class ByRecord(ABC):
    """Takes rows as they come, and hands them on with those of each record as one."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._open: tuple[int, list[Rows]] | None = None
        """The record whose rows may go on in the next batch, and its rows so far."""

    @abstractmethod
    def add(self, rows: Rows) -> None:
        """Take rows each of which is a record, or counts for itself."""

    def update(
        self,
        targets: Batch,
        outputs: Batch,
        losses: np.ndarray,
        *,
        facts: Sequence[Facts] = (),
        owners: np.ndarray | None = None,
    ) -> None:
        """Add rows: encoded targets and outputs (batch, ...), losses (batch,), their facts (none: empty ones).

        With `owners` (batch,) int64, rows of the same owner are one record: consecutive rows, of which several batches
        may hold some. Their outputs are pooled by the task, or else by the mean of each float output; their losses by
        the mean.
        """
        rows = Rows(targets, outputs, losses, facts if len(facts) else [{}] * len(losses))
        if owners is None:
            self.close()
            self.add(rows)
            return
        starts = np.flatnonzero(np.diff(owners, prepend=owners[:1] - 1))
        for start, stop in zip(starts, [*starts[1:], len(owners)], strict=True):
            piece = slice(int(start), int(stop))
            part = Rows(take(targets, piece), take(outputs, piece), losses[piece], rows.facts[piece])
            if self._open is not None and self._open[0] == owners[start]:
                self._open[1].append(part)
                continue
            self.close()
            self._open = (int(owners[start]), [part])

    def close(self) -> None:
        """Add the record whose rows are complete."""
        if self._open is None:
            return
        (_, parts), self._open = self._open, None
        facts = [each for part in parts for each in part.facts]
        outputs = concatenated([part.outputs for part in parts])
        losses = np.concatenate([part.losses for part in parts])
        targets = take(parts[0].targets, slice(0, 1))
        self.add(Rows(targets, pooled(self._task, outputs, facts), losses.mean(keepdims=True), facts[:1]))


class Calibrated(ByRecord):
    """Feeds a task's calibrator, which is to judge what is answered: records."""

    def __init__(self, task: Calibrates) -> None:
        super().__init__(cast("Task", task))
        self._calibrator = task.calibrator()

    def add(self, rows: Rows) -> None:
        """See `ByRecord`."""
        self._calibrator.update(rows.targets, rows.outputs)

    def found(self) -> Mapping[str, Any]:
        """See `Calibrator`."""
        self.close()
        return self._calibrator.found()


class Scores(ByRecord):
    """Sums losses in float64 and feeds the task's evaluator.

    A `running` one is for training steps: its size does not grow with the rows, and it can be saved and restored.
    """

    def __init__(self, task: Task, *, running: bool = False) -> None:
        super().__init__(task)
        self._evaluator: Any = task.evaluator(running=running)  # a RunningEvaluator where it is running
        self._loss, self._count = 0.0, 0

    def add(self, rows: Rows) -> None:
        """See `ByRecord`."""
        self._loss += float(rows.losses.sum(dtype=np.float64))
        self._count += len(rows.losses)
        self._evaluator.update(rows.targets, rows.outputs, rows.facts, rows.losses)

    def merge(self, other: Scores) -> None:
        """Add the rows of another one of the same task, after its own."""
        self.close()
        other.close()
        self._evaluator.merge(other._evaluator)
        self._loss, self._count = self._loss + other._loss, self._count + other._count

    def metrics(self) -> dict[str, float]:
        """The mean loss, unless the evaluator gives its own, and the evaluator's metrics."""
        self.close()
        return {**self._mean_loss(), **self._evaluator.metrics()}

    def result(self) -> Evaluation:
        """Everything that the evaluator has to say; its metrics are those of `metrics`."""
        self.close()
        found: Evaluation = self._evaluator.result()
        return replace(found, metrics={**self._mean_loss(), **found.metrics})

    def state(self) -> dict[str, np.ndarray]:
        """Of a running one, all that it knows, as arrays."""
        state = self._evaluator.state()
        return {
            TOTALS: np.array([self._loss, self._count], np.float64),
            **{EVALUATOR + name: np.asarray(array) for name, array in state.items()},
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Of a running one, take over what `state` gave."""
        self._loss, self._count = float(state[TOTALS][0]), int(state[TOTALS][1])
        own = {name.removeprefix(EVALUATOR): each for name, each in state.items() if name.startswith(EVALUATOR)}
        self._evaluator.restore(own)

    def _mean_loss(self) -> dict[str, float]:
        return {"loss": self._loss / self._count if self._count else float("nan")}


def pooled(task: Task, outputs: Batch, facts: Sequence[Facts]) -> Batch:
    """The outputs (row, ...) of one record as a single row."""
    if isinstance(task, PoolsRows):
        return outputs if count_rows(outputs) == 1 else task.pool(outputs, facts)
    return {
        name: output.mean(axis=0, keepdims=True)
        for name, output in outputs.items()
        if np.issubdtype(output.dtype, np.floating)
    }
