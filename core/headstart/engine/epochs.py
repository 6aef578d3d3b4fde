"""One epoch of updates, in the form that suits what is trained: a batch at a time, or many steps on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from headstart.data.order import batches, epoch_order
from headstart.engine.compute import Step, train_step
from headstart.engine.samples import Samples, Stored, epoch_batches
from headstart.engine.scan import Scan, scan
from headstart.engine.scanning import Pace, Held, hold, steps_at_once

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

    With a `failure` the epoch ended there; that step and all after it changed nothing."""

    rows: np.ndarray
    outputs: dict[str, np.ndarray]
    failure: Failure | None


class Epochs(Protocol):
    """Trains epoch by epoch. The numbers are a function of (seed, epoch, step) and of nothing that was measured."""

    def run(self, epoch: int, on_progress: OnProgress) -> EpochOutcome:
        """Train one epoch and put what was learned into the network's variables."""


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
        rows = np.concatenate([np.zeros(0, np.int64), *self.rows])
        return EpochOutcome(rows, {name: np.concatenate(parts) for name, parts in self.outputs.items()}, failure)
