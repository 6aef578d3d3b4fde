"""Epochs of a small head on stored features: many steps a call, so that the device never waits for Python.

Samples that fit stay on the device; of larger ones, a block of rows is put there at a time, so that memory does not
grow with them. How many steps a call takes is measured, so that one lasts about half a second: between calls progress
is told and an interrupt acts. Neither changes any number.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.data.order import epoch_order
from headstart.engine.compute import Step, scan
from headstart.engine.epochs import Collected, EpochOutcome, Epochs, Failure, OnProgress, StepByStep
from headstart.engine.samples import Samples, Stored

BLOCK = 8 * 2**20
"""Bytes of samples that are put on the device at a time where not all of them stay there."""
SHORT, LONG = 0.1, 0.5
"""Seconds of a call below which the next one takes more steps, and above which it takes fewer."""


def epochs_of(step: Step, samples: Samples, targets: np.ndarray, *, seed: int, batch_size: int) -> Epochs:
    """Many steps a call where the head alone runs, on stored features; else a batch at a time."""
    if isinstance(samples, Stored) and step.start == len(step.network.stages) - 1:
        return Scanned(step, samples, targets, seed=seed, batch_size=batch_size)
    return StepByStep(step, samples, targets, seed=seed, batch_size=batch_size)


@dataclass
class Pace:
    """How many steps the next call takes."""

    steps: int = 8

    def took(self, seconds: float) -> None:
        """Learn from a call of so many steps."""
        if seconds < SHORT:
            self.steps *= 4
        elif seconds > LONG:
            self.steps = max(1, int(self.steps * LONG / seconds))


@dataclass
class Taken:
    """The steps of an epoch that were taken: how many, and the sum of their losses."""

    steps: int = 0
    losses: float = 0.0


@dataclass(frozen=True)
class Block:
    """Some steps of an epoch: the number of the first, and the rows and mask (step, batch) of all."""

    first: int
    rows: np.ndarray
    mask: np.ndarray


@dataclass
class Scanned:
    """Fulfils `Epochs`."""

    step: Step
    samples: Stored
    targets: np.ndarray
    seed: int
    batch_size: int
    pace: Pace = field(default_factory=Pace)
    _held: dict[int, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._scan = scan(self.step)
        self._stays = self._scan.can_hold(self.samples.views, self.targets)
        bytes_a_step = self.batch_size * sum(array[:1].nbytes for array in self.samples.views[0].values())
        steps = -(-self.samples.count // self.batch_size)
        self._steps_a_block = steps if self._stays else max(1, min(steps, BLOCK // bytes_a_step))

    def run(self, epoch: int, on_progress: OnProgress) -> EpochOutcome:
        """See `Epochs`."""
        collected, taken, failure = Collected(), Taken(), None
        rows, mask = all_batches(epoch_order(self.seed, epoch, self.samples.count), self.batch_size)
        for first in range(0, len(rows), self._steps_a_block):
            last = first + self._steps_a_block
            block = Block(first, rows[first:last], mask[first:last])
            failure = self._block(epoch, block, taken, on_progress)
            done = taken.steps - first
            outputs = {name: each.reshape(-1, *each.shape[2:]) for name, each in self._scan.outputs(done).items()}
            collected.add(block.rows[:done].ravel(), block.mask[:done].ravel(), outputs)
            if failure:
                break
        self._scan.sync()
        return collected.outcome(failure)

    def _block(self, epoch: int, block: Block, taken: Taken, on_progress: OnProgress) -> Failure | None:
        self._begin(epoch, block)
        place, end = 0, len(block.rows)
        while place < end:
            stop = min(place + self.pace.steps, end)
            started = time.monotonic()
            advanced = self._scan.advance(place, stop)
            self.pace.took(time.monotonic() - started)
            place = advanced.reached
            taken.steps = block.first + place
            if place < stop:
                real = block.mask[place] > 0
                return Failure(taken.steps + 1, float(advanced.losses[-1]), block.rows[place][real])
            taken.losses += float(advanced.losses.sum(dtype=np.float64))
            on_progress(min(taken.steps * self.batch_size, self.samples.count), taken.losses / taken.steps)
        return None

    def _begin(self, epoch: int, block: Block) -> None:
        number = epoch % len(self.samples.views)
        if self._stays:
            if number not in self._held:
                self._held[number] = self._scan.put(self.samples.views[number], self.targets)
            self._scan.begin(self._held[number], block.rows, block.mask)
            return
        short = self._steps_a_block - len(block.rows)  # one shape, so that one compilation serves all blocks
        picked = np.pad(block.rows, ((0, short), (0, 0)), mode="edge")
        flat = picked.ravel()
        held = self._scan.put(self.samples.take(epoch, flat), self.targets[flat])
        places = np.arange(len(flat)).reshape(picked.shape)
        self._scan.begin(held, places, np.pad(block.mask, ((0, short), (0, 0)), mode="edge"))


def all_batches(order: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """All that `headstart.data.order.batches` gives, as two arrays: rows (step, batch) and mask (step, batch)."""
    short = -len(order) % batch_size
    mask = np.pad(np.ones(len(order), np.float32), (0, short))
    return np.pad(order, (0, short), mode="edge").reshape(-1, batch_size), mask.reshape(-1, batch_size)
