"""The closed-form phase: the head solved on the frozen backbone's features, solver and strength chosen on val."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from headstart.data.facts import Picked
from headstart.engine import kept_heads
from headstart.engine.device import loss_step
from headstart.engine.features.extract import PLAIN, flattened, rows_key
from headstart.engine.features.source import Seen
from headstart.engine.kept_heads import Learned, Tried, key_of
from headstart.engine.linear.rows import Part, Rows
from headstart.engine.network.stages import name_variables
from headstart.engine.scoring import ScoredRows, found_by_calibrator, is_better, scores_of
from headstart.engine.step import LossStep
from headstart.engine.train.checkpoints import Loaded
from headstart.engine.train.context import Conclude, Place, TrainContext
from headstart.engine.train.epochs import Stored, Trimmed
from headstart.engine.train.state import PhaseResult, known, without_nan
from headstart.engine.train.trainable import Trainable
from headstart.events import EpochDone
from headstart.interrupts import deferred
from headstart.spans import span
from headstart.specs import HEAD, Calibrates, Facts, Phase, Solved, SolvesHead, Task

SMALL = 2**24
"""Numbers in a matrix below which one thread is taken: several would wait for each other longer than they compute."""


@dataclass(frozen=True)
class Held:
    """Rows of a split to score heads on, with the `facts` of each; with `owners` (row,) int64, those of one record are
    pooled."""

    rows: Rows
    facts: Sequence[Facts] = ()
    owners: np.ndarray | None = None


@dataclass(frozen=True)
class Chosen:
    """The head that val chose: its number among those solved for, from 1, and its metrics on val."""

    number: int
    solved: Solved
    val: Mapping[str, float]


class ClosedFormPhase:
    """The cut is the head: everything below is frozen, its features stored."""

    def __init__(self, phase: Phase, context: TrainContext, trainable: Trainable, place: Place) -> None:
        self._phase, self._context, self._trainable, self._place = phase, context, trainable, place

    @span("solving heads")
    def run(self, conclude: Conclude, loaded: Loaded | None = None) -> None:
        """Solve for heads, refit on train and val where the phase says so, and set the head; `conclude` is called with
        how it ended before that is saved.

        There is no checkpoint in the middle of it, so that `loaded` is None.
        """
        context, phase, task = self._context, self._phase, self._context.task
        if not isinstance(task, SolvesHead):
            raise ValueError("the task solves for no head in closed form")
        source, cut = context.source, self._place.cut
        train = self._rows(source.training(cut, views=phase.views, fresh=False, mixing=False), "train")
        val = self._rows(source.plain(cut, "val"), "val")
        cache, key = source.store.cache, self._key(train, val)
        learned = None if cache is None or key is None else kept_heads.find(cache, key)
        if learned is None:
            learned = self._learn(task, train, val)
            if cache is not None and key is not None:
                kept_heads.keep(cache, key, learned, source.store.warn)
        else:
            for number, tried in enumerate(learned.tried, start=1):
                self._tell(number, tried, 0.0)
        solved = learned.solved
        for name, variable in name_variables(context.network.stages[-1:]).items():
            variable.assign(solved.weights[name.rpartition("/")[2]])

        done = PhaseResult(
            phase.name,
            phase.train,
            learned.chosen,
            learned.val,
            "all strengths",
            1,
            strength=solved.strength,
            solver=solved.solver,
            refit=phase.refit,
            trained={HEAD: sum(array.size for array in solved.weights.values())},
            found=learned.found,
            before_refit=learned.before_refit,
        )
        with deferred(context.checkpoints_kept):  # what was reported as done is saved, whatever signal comes
            conclude(done)
            context.save_complete(self._place, phase, done, self._trainable.changed)

    def _learn(self, task: SolvesHead, train: Rows, val: Rows) -> Learned:
        """Solve for heads, choose on val, and solve again where the phase refits."""
        context, phase = self._context, self._phase
        facts, places = context.facts.get("train", ()), np.resize(np.arange(train.samples), len(train))  # of each view
        learned = Held(train, Picked(facts.__getitem__, places) if len(facts) else ())
        judged = Held(val, context.facts.get("val", ()), context.owners.get("val"))
        losses = loss_step(context.task)
        tried: list[Tried] = []
        # Products of small matrices are fastest on one thread.
        with threadpool_limits(1, user_api="blas") if len(train) * train.channels < SMALL else contextlib.nullcontext():
            chosen = self._choose(task.solve(train, phase.strengths), learned, judged, losses, tried)
            solved = task.solve_again(train + val, chosen.solved) if phase.refit else chosen.solved
        found: Mapping[str, Any] = {}
        calibrated = context.task
        if self._place.is_last and isinstance(task, Calibrates):
            found = found_by_calibrator(task, scored(chosen.solved, judged, losses), context.log.warn)
            calibrated = task.calibrated(found)
        before_refit: Mapping[str, Any] = {}
        if self._place.is_last and phase.refit:  # the refitted head has seen val, so that only this one tells of it
            result = scores_of(calibrated, scored(chosen.solved, judged, loss_step(calibrated))).result()
            before_refit = {"metrics": without_nan(result.metrics), "calibration": dict(result.calibration)}
        return Learned(solved, tuple(tried), chosen.number, chosen.val, found, before_refit)

    def _key(self, train: Rows, val: Rows) -> dict[str, Any] | None:
        """What the head that is learned from these rows is found by; None where what it depends on is not known."""
        context, phase = self._context, self._phase
        if context.identity is None:
            return None
        data = context.source.data
        samples = {split: rows_key(data, data.indices(split), PLAIN, named=True) for split in ("train", "val")}
        asked = [list(phase.strengths), phase.views, phase.refit, self._place.is_last]
        return key_of([train, val], {"samples": samples, "asked": asked, **context.identity})

    def _rows(self, seen: Seen, split: str) -> Rows:
        """Every view of a split, what the head takes flattened to (sample, channel)."""
        samples = seen.samples.samples if isinstance(seen.samples, Trimmed) else seen.samples
        if not isinstance(samples, Stored):
            raise ValueError("a closed-form phase needs stored features")
        features = self._context.network.features
        flat = tuple(flattened(view, features) for view in samples.views)
        return Rows((Part(flat, self._context.targets[split]),))

    def _choose(self, heads: Iterable[Solved], train: Held, val: Held, losses: LossStep, tried: list[Tried]) -> Chosen:
        """The surest on val of all `heads`, each of which is `tried`, and reported as soon as it is there."""
        context, phase, started = self._context, self._phase, time.monotonic()
        best: Chosen | None = None
        for number, solved in enumerate(heads, start=1):
            of_train = scores_of(context.task, scored(solved, train, losses), running=True).metrics()
            of_val = scores_of(context.task, scored(solved, val, losses)).metrics()
            is_best = best is None or is_surer(context.task, of_val, best.val)
            if is_best:
                best = Chosen(number, solved, of_val)
            elapsed, started = time.monotonic() - started, time.monotonic()
            tried.append(Tried(known(of_train), known(of_val), is_best, solved.strength, solved.solver))
            self._tell(number, tried[-1], elapsed)
        if best is None:
            raise ValueError(f"the task solved no head for strengths {phase.strengths}")
        return best

    def _tell(self, number: int, tried: Tried, seconds: float) -> None:
        """Report one of the heads."""
        phase = self._phase
        self._context.log.emit(
            EpochDone(
                phase=phase.name,
                epoch=number,
                epochs=max(number, len(phase.strengths)),
                train=tried.train,
                val=tried.val,
                rates={},
                seconds=seconds,
                best=tried.best,
                strength=tried.strength,
                solver=tried.solver,
            )
        )


def scored(solved: Solved, held: Held, losses: LossStep) -> Iterator[ScoredRows]:
    """What a linear head gives on features, a block at a time: (row, output) are features @ kernel + bias."""
    kernel, bias, done = solved.weights["kernel"], solved.weights["bias"], 0
    for features, targets in held.rows.blocks():
        outputs = {solved.output: (features @ kernel + bias).astype(np.float32)}
        block = slice(done, done + len(features))
        owners = None if held.owners is None else held.owners[block]
        yield ScoredRows(targets, outputs, losses(targets, outputs), held.facts[block], owners)
        done = block.stop


def is_surer(task: Task, new: Mapping[str, float], old: Mapping[str, float]) -> bool:
    """By the lower loss; where that is equal, by the primary metric.

    So is a head chosen on val, where a few dozen samples tell neighbouring strengths apart by one answer or none, and
    the loss weighs every one of them. Test accuracy of the refitted head, chosen by accuracy and by loss: stamps (66 in
    val) 0.796 and 0.803 over 8 splits, digits (53 in val) 0.903 and 0.905 over 8, digits (288 in val) the same.
    """
    if new["loss"] == old["loss"]:
        return is_better(task, new, old)
    return new["loss"] < old["loss"]
