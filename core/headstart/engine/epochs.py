"""Epochs of updates, in the form that suits what is trained: a batch at a time, or many steps on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from headstart.engine.compute import Step, train_step
from headstart.engine.samples import Samples, epoch_batches

OnProgress = Callable[[int, float], None]
"""Hears how many samples were seen, and the mean loss of their batches."""


@dataclass(frozen=True)
class Failure:
    """The step, from 1 in its epoch, that met a loss or gradient that is not finite, and the rows of its batch."""

    step: int
    loss: float
    rows: np.ndarray


@dataclass(frozen=True)
class EpochOutcome:
    """What an epoch's batches saw before their updates: `rows` (n,) in order, and the head's `outputs` (n, ...).

    With a `failure` the epoch ended there; that step changed nothing, and there was none after it.
    """

    rows: np.ndarray
    outputs: dict[str, np.ndarray]
    failure: Failure | None = None


class Epochs(Protocol):
    """Trains epoch by epoch. The numbers are a function of (seed, epoch, step) and of nothing that was measured."""

    def run(self, epoch: int, on_progress: OnProgress) -> EpochOutcome:
        """Train one epoch, and put what was learned into the network's variables."""


@dataclass
class Collected:
    """Gathers what batches saw; the rows of padding are left out."""

    rows: list[np.ndarray] = field(default_factory=list)
    outputs: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(self, rows: np.ndarray, mask: np.ndarray, outputs: dict[str, np.ndarray]) -> None:
        """Rows (n,), their mask (n,) and outputs (n, ...)."""
        real = mask > 0
        self.rows.append(rows[real])
        for name, output in outputs.items():
            self.outputs.setdefault(name, []).append(output[real])

    def outcome(self, failure: Failure | None = None) -> EpochOutcome:
        """All that was added."""
        rows = np.concatenate(self.rows) if self.rows else np.zeros(0, np.int64)
        return EpochOutcome(rows, {name: np.concatenate(parts) for name, parts in self.outputs.items()}, failure)


class StepByStep:
    """A batch at a time: for samples that are drawn anew, and for stages that take long."""

    def __init__(self, step: Step, samples: Samples, targets: np.ndarray, *, seed: int, batch_size: int) -> None:
        self._samples, self._targets = samples, targets
        self._seed, self._batch_size = seed, batch_size
        self._step = train_step(step)

    def run(self, epoch: int, on_progress: OnProgress) -> EpochOutcome:
        """See `Epochs`."""
        collected, losses, done = Collected(), 0.0, 0
        order = epoch_batches(self._samples, seed=self._seed, epoch=epoch, batch_size=self._batch_size)
        failure = None
        for number, batch in enumerate(order, start=1):
            stepped = self._step(batch.tensors, self._targets[batch.rows], batch.mask)
            if not stepped.finite:
                failure = Failure(number, stepped.loss, batch.rows[batch.mask > 0])
                break
            collected.add(batch.rows, batch.mask, dict(stepped.outputs))
            losses, done = losses + stepped.loss, done + int(batch.mask.sum())
            on_progress(done, losses / number)
        self._step.sync()
        return collected.outcome(failure)
