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

from headstart.engine.device import scan
from headstart.engine.step import Step
from headstart.engine.train.epochs import (
    Collected,
    EpochOutcome,
    EpochPlan,
    Epochs,
    Failure,
    Gathering,
    Order,
    Reached,
    StepByStep,
    targets_of,
)
from headstart.engine.train.samples import Samples, Stored

BLOCK = 8 * 2**20
"""Bytes of samples that are put on the device at a time where not all of them stay there."""
SHORT, LONG = 0.1, 0.5
"""Seconds of a call below which the next one takes more steps, and above which it takes fewer."""


def epochs_of(
    step: Step, samples: Samples, targets: np.ndarray, *, order: Order, batch_size: int, parts: int = 1
) -> Epochs:
    """Many steps a call where the head alone runs, on stored features; else a batch at a time, in so many `parts`.

    Batches in parts are taken one at a time whatever runs: where memory is short, no samples stay on the device.
    """
    if parts == 1 and isinstance(samples, Stored) and step.start == len(step.network.stages) - 1:
        return Scanned(step, samples, targets, order=order, batch_size=batch_size)
    return StepByStep(step, samples, targets, order=order, batch_size=batch_size, parts=parts)


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


@dataclass(frozen=True)
class Block:
    """Some steps of an epoch: the number of the first, the rows and mask (step, batch) of all, and how many of them
    were taken before."""

    first: int
    rows: np.ndarray
    mask: np.ndarray
    taken: int


@dataclass
class Scanned:
    """Fulfils `Epochs`."""

    step: Step
    samples: Stored
    targets: np.ndarray
    order: Order
    batch_size: int
    pace: Pace = field(default_factory=Pace)
    _held: dict[int, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._scan = scan(self.step)
        self._stays = self._scan.can_hold(self.samples.views, self.targets)
        bytes_a_step = self.batch_size * sum(array[:1].nbytes for array in self.samples.views[0].values())
        steps = -(-self.samples.count // self.batch_size)
        self._steps_a_block = steps if self._stays else max(1, min(steps, BLOCK // bytes_a_step))

    def run(self, plan: EpochPlan) -> EpochOutcome:
        """See `Epochs`."""
        gathering, failure = Gathering.after(plan.begun), None
        rows, mask = all_batches(self.order(plan.epoch), self.batch_size)
        for first in range(0, len(rows), self._steps_a_block):
            last = min(first + self._steps_a_block, len(rows))
            if last <= plan.begun.steps:
                continue
            block = Block(first, rows[first:last], mask[first:last], max(0, plan.begun.steps - first))
            failure = self._block(plan, block, gathering)
            self._gather(gathering, block)
            if failure:
                break
        self._scan.sync()
        return EpochOutcome(gathering.collected(), failure)

    def sync(self) -> None:
        """See `Epochs`."""
        self._scan.sync()

    def reload(self) -> None:
        """See `Epochs`."""
        self._scan.reload()

    def _block(self, plan: EpochPlan, block: Block, gathering: Gathering) -> Failure | None:
        self._begin(plan.epoch, block)
        place, end = block.taken, len(block.rows)
        while place < end:
            stop = self._stop(plan, block, place)
            started = time.monotonic()
            advanced = self._scan.advance(place, stop)
            self.pace.took(time.monotonic() - started)
            gathering.losses += advanced.losses[: advanced.reached - place].tolist()
            place = advanced.reached
            if place < stop:
                real = block.mask[place] > 0
                return Failure(block.first + place + 1, float(advanced.losses[-1]), block.rows[place][real])
            plan.watch(Reached(np.array(gathering.losses), lambda: self._collected(gathering, block)))
        return None

    def _stop(self, plan: EpochPlan, block: Block, place: int) -> int:
        """Where the next call ends: after a few steps, at the block's end, or where the watch is to be called."""
        stop = min(place + self.pace.steps, len(block.rows))
        if plan.every:
            stop = min(stop, plan.every - (block.first + place) % plan.every + place)
        return stop

    def _collected(self, gathering: Gathering, block: Block) -> Collected:
        """What was gathered from the blocks before, with what this one has so far."""
        so_far = Gathering(
            list(gathering.losses), list(gathering.rows), {n: list(parts) for n, parts in gathering.outputs.items()}
        )
        self._gather(so_far, block)
        return so_far.collected()

    def _gather(self, gathering: Gathering, block: Block) -> None:
        done = len(gathering.losses) - block.first
        taken = slice(block.taken, done)
        outputs = {name: each.reshape(-1, *each.shape[2:]) for name, each in self._scan.outputs(done).items()}
        gathering.add(block.rows[taken].ravel(), block.mask[taken].ravel(), outputs)

    def _begin(self, epoch: int, block: Block) -> None:
        number = epoch % len(self.samples.views)
        if self._stays:
            if number not in self._held:
                everything = np.arange(self.samples.count)
                self._held[number] = self._scan.put(self.samples.views[number], self._targets(number, everything))
            self._scan.begin(self._held[number], block.rows, block.mask, taken=block.taken)
            return
        short = self._steps_a_block - len(block.rows)  # one shape, so that one compilation serves all blocks
        picked = np.pad(block.rows, ((0, short), (0, 0)), mode="edge")
        flat = picked.ravel()
        held = self._scan.put(self.samples.take(epoch, flat), self._targets(epoch, flat))
        places = np.arange(len(flat)).reshape(picked.shape)
        self._scan.begin(held, places, np.pad(block.mask, ((0, short), (0, 0)), mode="edge"), taken=block.taken)

    def _targets(self, epoch: int, rows: np.ndarray) -> np.ndarray:
        return targets_of(self.samples, self.targets, self.step.task, epoch=epoch, rows=rows)


def all_batches(order: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """All that `headstart.data.order.batches` gives, as two arrays: rows (step, batch) and mask (step, batch)."""
    short = -len(order) % batch_size
    mask = np.pad(np.ones(len(order), np.float32), (0, short))
    return np.pad(order, (0, short), mode="edge").reshape(-1, batch_size), mask.reshape(-1, batch_size)
