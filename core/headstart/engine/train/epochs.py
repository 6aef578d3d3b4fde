"""Epochs of updates, in the form that suits what is trained: a batch at a time, or many steps on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from headstart.data.order import batches
from headstart.engine.device import train_step
from headstart.engine.step import Step
from headstart.engine.train.samples import Samples
from headstart.specs import HEAD, Task

Order = Callable[[int], np.ndarray]
"""The rows of an epoch (row,) int64 in order: a pure function of the epoch's number."""


@dataclass(frozen=True)
class Failure:
    """The step, from 1 in its epoch, that met a loss or gradient that is not finite, and the rows of its batch."""

    step: int
    loss: float
    rows: np.ndarray


@dataclass(frozen=True)
class Collected:
    """What the first batches of an epoch saw before their updates: the loss of each step, the `rows` (n,) in order, and
    the head's `outputs` (n, ...); rows of padding are left out."""

    losses: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    outputs: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return len(self.losses)


@dataclass(frozen=True)
class EpochOutcome:
    """What an epoch's batches saw. With a `failure` the epoch ended there; that step changed nothing, and there was
    none after it."""

    seen: Collected
    failure: Failure | None = None


@dataclass(frozen=True)
class Reached:
    """Where an epoch is between two steps: the loss of each step so far; `collect` gives all that was seen."""

    losses: np.ndarray
    collect: Callable[[], Collected]

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return len(self.losses)


Watch = Callable[[Reached], None]
"""Hears between steps. What it raises ends the epoch there; the steps before it stay taken."""


@dataclass(frozen=True)
class EpochPlan:
    """One epoch: its number, what was taken of it before, and after how many steps, at every multiple, to call `watch`
    for certain (0: as it comes)."""

    epoch: int
    watch: Watch
    begun: Collected = field(default_factory=Collected)
    every: int = 0


class Epochs(Protocol):
    """Trains epoch by epoch. The numbers are a function of (seed, epoch, step) and of nothing that was measured."""

    def run(self, plan: EpochPlan) -> EpochOutcome:
        """Train one epoch, or the rest of one, and put what was learned into the step's variables."""

    def sync(self) -> None:
        """Put what was learned so far into the step's variables, and the moments into the optimizer."""

    def reload(self) -> None:
        """Take the variables and the optimizer as they are now: they were set from outside."""


@dataclass
class Gathering:
    """Gathers what batches saw."""

    losses: list[float] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)
    outputs: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @classmethod
    def after(cls, begun: Collected) -> Gathering:
        """Goes on after what was seen before."""
        outputs = {name: [output] for name, output in begun.outputs.items()}
        return cls(begun.losses.tolist(), [begun.rows] if begun.steps else [], outputs)

    def add(self, rows: np.ndarray, mask: np.ndarray, outputs: dict[str, np.ndarray]) -> None:
        """Rows (n,), their mask (n,) and outputs (n, ...)."""
        real = mask > 0
        self.rows.append(rows[real])
        for name, output in outputs.items():
            self.outputs.setdefault(name, []).append(output[real])

    def collected(self) -> Collected:
        """All that was added."""
        rows = np.concatenate(self.rows) if self.rows else np.zeros(0, np.int64)
        outputs = {name: np.concatenate(parts) for name, parts in self.outputs.items()}
        return Collected(np.array(self.losses), rows, outputs)


def filled_up(rows: np.ndarray, mask: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The rows (batch,) of a last batch with other samples of `order` where the mask is 0, not one of them many times:
    for statistics, which see what only fills up, too."""
    return np.where(mask > 0, rows, np.resize(order, len(rows)))


def targets_of(samples: Samples, targets: np.ndarray, task: Task, *, epoch: int, rows: np.ndarray) -> np.ndarray:
    """Encoded targets (batch, ...) of `rows` (batch,) in `epoch`, blended where their samples are mixed."""
    mixed = samples.partners(epoch, rows)
    own: np.ndarray = targets[rows]
    if mixed is None:
        return own
    blended: np.ndarray = task.mix(own, targets[mixed.rows], mixed.shares)
    return blended


class StepByStep:
    """A batch at a time: for samples that are drawn anew, and for stages that take long."""

    def __init__(
        self, step: Step, samples: Samples, targets: np.ndarray, *, order: Order, batch_size: int, parts: int = 1
    ) -> None:
        self._samples, self._targets, self._task = samples, targets, step.task
        self._order, self._batch_size = order, batch_size
        self._step = train_step(step, parts=parts)
        self._statistics_move = step.training > {HEAD}

    def run(self, plan: EpochPlan) -> EpochOutcome:
        """See `Epochs`."""
        gathering, failure = Gathering.after(plan.begun), None
        order = self._order(plan.epoch)
        for number, (rows, mask) in enumerate(batches(order, self._batch_size), start=1):
            if number <= plan.begun.steps:
                continue
            if self._statistics_move:
                rows = filled_up(rows, mask, order)
            tensors = self._samples.take(plan.epoch, rows)
            targets = targets_of(self._samples, self._targets, self._task, epoch=plan.epoch, rows=rows)
            stepped = self._step(tensors, targets, mask)
            if not stepped.finite:
                failure = Failure(number, stepped.loss, rows[mask > 0])
                break
            gathering.losses.append(stepped.loss)
            gathering.add(rows, mask, dict(stepped.outputs))
            plan.watch(Reached(np.array(gathering.losses), gathering.collected))
        self._step.sync()
        return EpochOutcome(gathering.collected(), failure)

    def sync(self) -> None:
        """See `Epochs`."""
        self._step.sync()

    def reload(self) -> None:
        """See `Epochs`."""
        self._step.reload()
