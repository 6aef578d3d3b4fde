"""Epochs of a small head on stored features: many steps a call, so that the device never waits for Python.

Samples that fit stay on the device; of larger ones, a block of rows is put there at a time, so that memory does not
grow with them. How many steps a call takes is measured, so that one lasts about half a second: between calls progress
is reported and an interrupt acts. Neither changes any number.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.data.order import all_batches
from headstart.engine.batch import bytes_a_row, take
from headstart.engine.device import scan
from headstart.engine.scoring import ScoredRows
from headstart.engine.step import Scan, Step
from headstart.engine.train.epochs import EpochRecord, Epochs, Examples, Failure, Order, StepByStep, Stored, Watch
from headstart.specs import Batch, TrimsTargets

BLOCK = 8 * 2**20
"""Bytes of samples that are put on the device at a time where not all of them stay there."""
SHORT, LONG = 0.1, 0.5
"""Seconds of a call below which the next one takes more steps, and above which it takes fewer."""


def make_epochs(step: Step, examples: Examples, *, order: Order, batch_size: int, parts: int = 1) -> Epochs:
    """Many steps a call where the head alone runs, on stored features; else a batch at a time, in so many `parts`.

    Batches in parts are taken one at a time whatever runs: where memory is short, no samples stay on the device. So are
    those whose targets are cut to their longest row: many steps a call have one shape, and a decoder that is fed with
    the stored length of sentences would compute ten times as much as they need.
    """
    alone = isinstance(examples.samples, Stored) and step.start == len(step.network.stages) - 1
    if parts == 1 and alone and not isinstance(step.task, TrimsTargets):
        return DeviceEpochs(step, examples, order=order, batch_size=batch_size)
    return StepByStep(step, examples, order=order, batch_size=batch_size, parts=parts)


@dataclass
class Pace:
    """How many steps the next call takes."""

    steps: int = 8

    def observe(self, seconds: float) -> None:
        """Learn from a call of so many steps."""
        if seconds < SHORT:
            self.steps *= 4
        elif seconds > LONG:
            self.steps = max(1, int(self.steps * LONG / seconds))


@dataclass
class DeviceEpochs:
    """Fulfils `Epochs`; the samples of `examples` are stored."""

    step: Step
    examples: Examples
    order: Order
    batch_size: int
    pace: Pace = field(default_factory=Pace)
    _held: dict[int, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.examples.samples, Stored):
            raise ValueError("many steps a call need stored samples")
        self._stored = self.examples.samples
        self.trains: Scan = scan(self.step)
        self._stays = self.trains.can_hold(self._stored.views, self.examples.targets)
        bytes_a_step = self.batch_size * bytes_a_row(self._stored.views[0])
        steps = -(-self._stored.count // self.batch_size)
        self._steps_a_block = steps if self._stays else max(1, min(steps, BLOCK // bytes_a_step))

    def run(self, epoch: int, record: EpochRecord, watch: Watch, *, every: int = 0) -> Failure | None:
        """See `Epochs`; `watch` is called after each call of the scan."""
        failure = None
        rows, mask = all_batches(self.order(epoch), self.batch_size)
        for first in range(0, len(rows), self._steps_a_block):
            last = min(first + self._steps_a_block, len(rows))
            if last <= record.steps:
                continue
            self._begin(epoch, rows[first:last], mask[first:last], taken=max(0, record.steps - first))
            while record.steps < last and failure is None:
                place = record.steps
                stop = min(place + self.pace.steps, last)
                if every:
                    stop = min(stop, place + every - place % every)
                started = time.monotonic()
                advanced = self.trains.advance(place - first, stop - first)
                self.pace.observe(time.monotonic() - started)
                # Step by step, so that a sum has the same bits however many steps a call took.
                for done in range(advanced.reached + first - place):
                    targets = self._targets(epoch, rows[place + done])
                    outputs = {name: output[done] for name, output in advanced.outputs.items()}
                    facts = self.examples.facts_of(rows[place + done])
                    seen = ScoredRows(targets, outputs, advanced.losses[done], facts)
                    record.add(float(advanced.means[done]), seen.only(slice(0, int(mask[place + done].sum()))))
                if not advanced.finite:
                    place = record.steps
                    failure = Failure(place + 1, float(advanced.means[-1]), rows[place][mask[place] > 0])
                else:
                    watch(record)
            if failure:
                break
        self.trains.sync()
        return failure

    def _begin(self, epoch: int, rows: np.ndarray, mask: np.ndarray, *, taken: int) -> None:
        number = epoch % len(self._stored.views)
        if self._stays:
            if number not in self._held:
                everything = np.arange(self._stored.count)
                self._held[number] = self.trains.put(self._stored.views[number], self._targets(number, everything))
            self.trains.begin(self._held[number], rows, mask, taken=taken)
            return
        short = self._steps_a_block - len(rows)  # one shape, so that one compilation serves all blocks
        picked = np.pad(rows, ((0, short), (0, 0)), mode="edge")
        flat = picked.ravel()
        held = self.trains.put(take(self._stored.views[number], flat), self._targets(epoch, flat))
        places = np.arange(len(flat)).reshape(picked.shape)
        self.trains.begin(held, places, np.pad(mask, ((0, short), (0, 0)), mode="edge"), taken=taken)

    def _targets(self, epoch: int, rows: np.ndarray) -> Batch:
        return self.examples.targets_of(self.step.task, epoch, rows)
