"""Scores of a split, batch by batch: the mean loss and the task's metrics, without keeping any output."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from headstart.engine.batch import count_rows, filled_together, take
from headstart.errors import PluginError, UsageError
from headstart.specs import (
    Batch,
    Calibrates,
    Evaluation,
    Facts,
    Generates,
    PoolsRows,
    ResamplesRows,
    Task,
    TellsWhatLacks,
    TrimsTargets,
)

TOTALS = "totals"
EVALUATOR = "evaluator."


@dataclass(frozen=True)
class ScoredRows:
    """Rows to score, all arrays of the same length: encoded targets and outputs (row, ...), losses (row,), and the
    facts of each row (none: empty ones).

    With `owners` (row,) int64, rows of the same owner are one record: consecutive rows, of which several batches may
    hold some.
    """

    targets: Batch
    outputs: Batch
    losses: np.ndarray
    facts: Sequence[Facts] = ()
    owners: np.ndarray | None = None

    def only(self, rows: slice) -> ScoredRows:
        """Some of the rows."""
        owners = None if self.owners is None else self.owners[rows]
        return ScoredRows(
            take(self.targets, rows), take(self.outputs, rows), self.losses[rows], self.facts[rows], owners
        )


def by_record(task: Task, batches: Iterable[ScoredRows]) -> Iterator[ScoredRows]:
    """Rows as they come, where each counts for itself; where they have owners, a single one for each record.

    The outputs of a record are pooled by the task, or else by the mean of each float output; its losses by the mean.
    """
    parts: list[ScoredRows] = []
    owner: int | None = None
    for batch in batches:
        if batch.owners is None:
            yield batch
            del batch  # or two batches of dense outputs are there at a time; so below
            continue
        starts = np.flatnonzero(np.diff(batch.owners, prepend=batch.owners[:1] - 1))
        for start, stop in zip(starts, [*starts[1:], len(batch.owners)], strict=True):
            if parts and owner != batch.owners[start]:
                yield _record_of(task, parts)
                parts = []
            owner = int(batch.owners[start])
            parts.append(batch.only(slice(int(start), int(stop))))
    if parts:  # those of the last record
        yield _record_of(task, parts)


def _record_of(task: Task, parts: Sequence[ScoredRows]) -> ScoredRows:
    """All rows of one record as one."""
    facts = [each for part in parts for each in part.facts]
    outputs = filled_together([part.outputs for part in parts])  # batches are as long as their longest rows
    losses = np.concatenate([part.losses for part in parts])
    targets = take(parts[0].targets, slice(0, 1))
    return ScoredRows(targets, pooled(task, outputs, facts), losses.mean(keepdims=True), facts[:1])


class Scores:
    """Sums losses in float64 and feeds the task's evaluator. A row whose target has no length has no loss: its 0 is no
    share of the mean, see TrimsTargets.

    A `running` one is for training steps: its size does not grow with the rows, and it can be saved and restored.
    """

    def __init__(self, task: Task, *, running: bool = False) -> None:
        self._task = task
        self._evaluator: Any = task.evaluator(running=running)  # a RunningEvaluator where it is running
        self._loss, self._count = 0.0, 0

    def add(self, rows: ScoredRows) -> None:
        """Add rows, each of which counts for itself."""
        task, losses = self._task, rows.losses
        known = losses[task.used(rows.targets) > 0] if isinstance(task, TrimsTargets) else losses
        self._loss += float(known.sum(dtype=np.float64))
        self._count += len(known)
        facts = rows.facts if len(rows.facts) else [{}] * len(rows.losses)
        self._evaluator.update(rows.targets, rows.outputs, facts, rows.losses)

    def merge(self, other: Scores) -> None:
        """Add the rows of another one of the same task, after its own."""
        self._evaluator.merge(other._evaluator)
        self._loss, self._count = self._loss + other._loss, self._count + other._count

    def metrics(self) -> dict[str, float]:
        """The mean loss, NaN where no row has one, unless the evaluator gives its own; and the evaluator's metrics."""
        return {**self._mean_loss(), **self._evaluator.metrics()}

    def result(self) -> Evaluation:
        """Everything that the evaluator has to say; its metrics are those of `metrics`."""
        found: Evaluation = self._evaluator.result()
        return replace(found, metrics={**self._mean_loss(), **found.metrics})

    def resampled(self) -> Mapping[str, np.ndarray]:
        """What the evaluator says of resamples, see ResamplesRows. Raises UsageError where it does not."""
        if not isinstance(self._evaluator, ResamplesRows):
            raise UsageError(
                f"{type(self._task).__name__} does not say how its scores vary from sample to sample",
                hint="compare the intervals of two evaluations; its author can add `resampled`, see ResamplesRows",
            )
        return self._evaluator.resampled()

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


def scores_of(task: Task, batches: Iterable[ScoredRows], *, running: bool = False) -> Scores:
    """Those of all records in these rows."""
    scores = Scores(task, running=running)
    for rows in by_record(task, batches):
        scores.add(rows)
        del rows
    return scores


def found_by_calibrator(
    task: Calibrates, batches: Iterable[ScoredRows], warn: Callable[[str], None]
) -> Mapping[str, Any]:
    """What the task's calibrator finds; it judges what is answered: records. `warn` hears what it does not find."""
    calibrator = task.calibrator()
    for rows in by_record(cast("Task", task), batches):
        calibrator.update(rows.targets, rows.outputs)
        del rows
    if isinstance(calibrator, TellsWhatLacks) and (told := calibrator.lacking()):
        warn(told)
    return calibrator.found()


def is_better(task: Task, new: Mapping[str, float], old: Mapping[str, float]) -> bool:
    """By the primary metric; where that is equal, or known of neither, by the lower loss."""
    sign = 1.0 if task.higher_is_better else -1.0
    mine, yours = (
        -math.inf if math.isnan(each[task.primary_metric]) else sign * each[task.primary_metric] for each in (new, old)
    )
    return (mine, -new["loss"]) > (yours, -old["loss"])


def pooled(task: Task, outputs: Batch, facts: Sequence[Facts]) -> Batch:
    """The outputs (row, ...) of one record as a single row. Raises PluginError for several rows of a task that
    generates and does not say how they become one."""
    if isinstance(task, PoolsRows | Generates) and count_rows(outputs) == 1:
        return outputs
    if isinstance(task, PoolsRows):
        return task.pool(outputs, facts)
    if isinstance(task, Generates):
        raise PluginError(
            f"{type(task).__name__} generates an answer for each row, and a record here has {count_rows(outputs)} rows",
            hint="its author can give it `pool`, see PoolsRows; or choose an input kind that makes one row a record",
        )
    return {
        name: output.mean(axis=0, keepdims=True)
        for name, output in outputs.items()
        if np.issubdtype(output.dtype, np.floating)
    }
