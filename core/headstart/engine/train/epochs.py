"""Epochs of updates: where batches come from, and training on them one at a time.

`device_epochs` has the other form, many steps a call, for small heads on stored features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from headstart.data.facts import Picked
from headstart.data.lengths import Lengths, cut_to
from headstart.data.order import batches
from headstart.data.views import Mixed, TrainingSamples, View, blended, moved, partners, varied
from headstart.engine.batch import bytes_a_row, count_rows, take
from headstart.engine.device import train_step
from headstart.engine.scoring import ScoredRows, Scores
from headstart.engine.step import Step, Trains, TrainStep
from headstart.engine.target_lengths import trimmed
from headstart.specs import HEAD, Batch, Facts, Task

Order = Callable[[int], np.ndarray]
"""The rows of an epoch (row,) int64 in order: a pure function of the epoch's number."""
LARGE = 8 * 2**20
"""Bytes in a batch where no weight learns and nothing is drawn: it costs one call instead of many."""


class Samples(Protocol):
    """Samples as seen from a cut: `count` rows, each epoch in a given order."""

    @property
    def count(self) -> int:
        """Rows in an epoch."""

    def take(self, epoch: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The tensors (batch, ...) of `rows` (batch,) in `epoch`."""

    def partners(self, epoch: int, rows: np.ndarray) -> Mixed | None:
        """Whom `rows` (batch,) are mixed with in `epoch`, by which their targets are to be mixed; None where no sample
        ever is."""

    def targets(self, epoch: int, rows: Whose, encoded: Batch) -> Batch:
        """Of the `encoded` targets (row, ...) of all samples those of `rows` (batch,), moved as samples in `epoch`."""


Whose = np.ndarray | Mixed
"""Rows (batch,), or a round of their partners."""
MoveTargets = Callable[[Whose, Batch], Batch]
"""Some rows, and the encoded targets (row, ...) of all, to those of the rows as their samples are varied."""


@dataclass(frozen=True)
class Stored:
    """Samples whose tensors are at hand, one set of arrays (rows, ...) a view; epochs go round the views.

    `mixed` says for each view whom all rows were mixed with; it is empty where none ever is. So does `moved` say how
    targets move in each view, None where they stay; it is empty where none ever moves.
    """

    views: tuple[Batch, ...]
    mixed: tuple[Mixed, ...] = ()
    moved: tuple[MoveTargets | None, ...] = ()

    @property
    def count(self) -> int:
        """Rows in a view."""
        return count_rows(self.views[0])

    def take(self, epoch: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        """See `Samples`."""
        return take(self.views[epoch % len(self.views)], rows)

    def partners(self, epoch: int, rows: np.ndarray) -> Mixed | None:
        """See `Samples`."""
        if not self.mixed:
            return None
        return self.mixed[epoch % len(self.mixed)].of(rows)

    def targets(self, epoch: int, rows: Whose, encoded: Batch) -> Batch:
        """See `Samples`."""
        move = self.moved[epoch % len(self.moved)] if self.moved else None
        return _as_they_are(rows, encoded) if move is None else move(rows, encoded)


@dataclass(frozen=True)
class Drawn:
    """Samples that `view` augments anew each epoch; as they are where it is None."""

    samples: TrainingSamples
    view: View | None = None

    @property
    def count(self) -> int:
        """Rows in an epoch."""
        return len(self.samples.rows)

    def take(self, epoch: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        """See `Samples`."""
        if self.view is None:
            return take(self.samples.tensors, self.samples.rows[rows])
        return varied(self.samples, rows, self.view, epoch).tensors

    def partners(self, epoch: int, rows: np.ndarray) -> Mixed | None:
        """See `Samples`."""
        return None if self.view is None else partners(self.samples, rows, self.view, epoch)

    def targets(self, epoch: int, rows: Whose, encoded: Batch) -> Batch:
        """See `Samples`."""
        if self.view is None:
            return _as_they_are(rows, encoded)
        return moved(self.samples, encoded, rows, self.view, epoch)


@dataclass(frozen=True)
class Trimmed:
    """Samples of different lengths: batches are cut to the static length of their longest row, partners among them.

    `lengths` are those of the rows, `axes` the length axis of each tensor that has one, without the batch axis. With
    `any_length` they are cut to that row's own length, where no stage below made an axis shorter.
    """

    samples: Samples
    lengths: Lengths
    axes: Mapping[str, int]
    any_length: bool = False

    @property
    def count(self) -> int:
        """Rows in an epoch."""
        return self.samples.count

    def take(self, epoch: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        """See `Samples`."""
        mixed = self.samples.partners(epoch, rows)  # who may be longer
        seen = rows if mixed is None else np.concatenate([rows, mixed.everyone])
        tensors, longest = self.samples.take(epoch, rows), self.lengths.static[-1]
        is_whole = all(tensors[name].shape[axis + 1] == longest for name, axis in self.axes.items() if name in tensors)
        static = self.lengths.of_batch(seen, any_length=self.any_length and is_whole)
        return cut_to(tensors, self.axes, static, longest)

    def partners(self, epoch: int, rows: np.ndarray) -> Mixed | None:
        """See `Samples`."""
        return self.samples.partners(epoch, rows)

    def targets(self, epoch: int, rows: Whose, encoded: Batch) -> Batch:
        """See `Samples`."""
        return self.samples.targets(epoch, rows, encoded)


def _as_they_are(rows: Whose, encoded: Batch) -> Batch:
    return take(encoded, rows.rows if isinstance(rows, Mixed) else rows)


@dataclass(frozen=True)
class Examples:
    """Samples with their encoded targets (rows, ...), and the facts of each row where there are some."""

    samples: Samples
    targets: Batch
    facts: Sequence[Facts] = ()

    def targets_of(self, task: Task, epoch: int, rows: np.ndarray) -> Batch:
        """Encoded targets (batch, ...) of `rows` (batch,) in `epoch`, blended or joined where their samples are
        mixed."""
        own, mixed = self.samples.targets(epoch, rows, self.targets), self.samples.partners(epoch, rows)
        if mixed is None:
            return own
        partners = [self.samples.targets(epoch, each, self.targets) for each in mixed.rounds]
        return blended(task, own, partners, mixed)

    def facts_of(self, rows: np.ndarray) -> Sequence[Facts]:
        """Those of `rows`, read when they are asked for; none where there are none."""
        return Picked(self.facts.__getitem__, rows) if len(self.facts) else ()

    def batches(
        self, order: np.ndarray, batch_size: int, *, statistics_move: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and mask (batch,) of an epoch in `order`, but rows of like length put together where they differ.

        Where `statistics_move`, which see what only fills up too, the last batch is filled up with other samples, not
        with one of them many times.
        """
        if isinstance(self.samples, Trimmed):
            order = self.samples.lengths.together(order, batch_size)
        for rows, mask in batches(order, batch_size):
            yield np.where(mask > 0, rows, np.resize(order, len(rows))) if statistics_move else rows, mask


def in_order(
    samples: Samples, batch_size: int, *, by_length: bool = False
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], int]]:
    """All rows as batches of one size: the rows (batch,), their tensors, and how many of them count; the last batch is
    padded by repeating. With `by_length`, rows that differ in length come from the shortest on."""
    order = samples.lengths.ascending() if by_length and isinstance(samples, Trimmed) else np.arange(samples.count)
    for rows, mask in batches(order, batch_size):
        yield rows, samples.take(0, rows), int(mask.sum())


def size_in_order(samples: Samples, batch_size: int) -> int:
    """The size of batches to go through all rows in: `batch_size`, or of stored samples as many as make LARGE bytes."""
    if not isinstance(samples, Stored):
        return batch_size
    return max(batch_size, min(samples.count, LARGE // max(1, bytes_a_row(samples.views[0]))))


@dataclass(frozen=True)
class Failure:
    """The step, from 1 in its epoch, that met a loss or gradient that is not finite, and the rows of its batch. It
    changed nothing, and there was none after it."""

    step: int
    loss: float
    rows: np.ndarray


@dataclass
class EpochRecord:
    """What the steps of an epoch so far saw before their updates: the mean loss of each, and running scores of their
    rows, None where samples are mixed, whose own targets are half the truth."""

    scores: Scores | None = None
    losses: list[float] = field(default_factory=list)
    total: float = 0.0
    """The sum of the losses."""

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return len(self.losses)

    def add(self, loss: float, rows: ScoredRows) -> None:
        """What a step saw: the mean loss, and its rows without padding."""
        self.losses.append(loss)
        self.total += loss
        if self.scores is not None:
            self.scores.add(rows)

    def metrics(self) -> dict[str, float]:
        """Metrics of the training split."""
        if self.scores is None:
            return {"loss": float(np.mean(self.losses))}
        return self.scores.metrics()


Watch = Callable[[EpochRecord], None]
"""Called between steps. What it raises ends the epoch there; the steps before it stay taken."""


class Epochs(Protocol):
    """Trains epoch by epoch. The numbers are a function of (seed, epoch, step) and of nothing that was measured."""

    def run(self, epoch: int, record: EpochRecord, watch: Watch, *, every: int = 0) -> Failure | None:
        """Train one epoch, or what is left of it after the steps that `record` has, and add to that.

        `watch` is called after every multiple of `every` steps for certain (0: as it comes). What was learned is put
        into the step's variables.
        """

    @property
    def trains(self) -> Trains:
        """What makes the updates."""


class StepByStep:
    """A batch at a time: for samples that are drawn anew, and for stages that take long."""

    def __init__(self, step: Step, examples: Examples, *, order: Order, batch_size: int, parts: int = 1) -> None:
        self._examples, self._task = examples, step.task
        self._order, self._batch_size = order, batch_size
        self.trains: TrainStep = train_step(step, parts=parts)
        self._statistics_move = step.training > {HEAD}

    def run(self, epoch: int, record: EpochRecord, watch: Watch, *, every: int = 0) -> Failure | None:
        """See `Epochs`; `watch` is called after each step."""
        failure, begun = None, record.steps
        cut = self._examples.batches(self._order(epoch), self._batch_size, statistics_move=self._statistics_move)
        for number, (rows, mask) in enumerate(cut, start=1):
            if number <= begun:
                continue
            targets = trimmed(self._task, self._examples.targets_of(self._task, epoch, rows))
            stepped = self.trains(self._examples.samples.take(epoch, rows), targets, mask)
            if not stepped.finite:
                failure = Failure(number, stepped.loss, rows[mask > 0])
                break
            seen = ScoredRows(targets, stepped.outputs, stepped.losses, self._examples.facts_of(rows))
            record.add(stepped.loss, seen.only(slice(0, int(mask.sum()))))
            watch(record)
        self.trains.sync()
        return failure
