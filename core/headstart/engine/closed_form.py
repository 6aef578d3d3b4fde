"""The closed-form phase: the head solved on the frozen backbone's features, solver and strength chosen on val."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from headstart.data.facts import Picked
from headstart.engine.device import loss_step
from headstart.engine.features.extract import flattened
from headstart.engine.features.source import Seen
from headstart.engine.heads import Held, Tried, is_surer, score, solve_path
from headstart.engine.linear.rows import Part, Rows
from headstart.engine.network.stages import name_variables
from headstart.engine.scoring import Calibrated, Scores
from headstart.engine.train.checkpoints import Loaded
from headstart.engine.train.context import Conclude, Place, TrainContext
from headstart.engine.train.epochs import Stored, Trimmed
from headstart.engine.train.state import PhaseResult, without_nan
from headstart.engine.train.trainable import Trainable
from headstart.eventlog import now
from headstart.events import EpochDone
from headstart.interrupts import deferred
from headstart.specs import HEAD, Calibrates, Phase, SolvesHead

SMALL = 2**24
"""Numbers in a matrix below which one thread is taken: several would wait for each other longer than they compute."""


class ClosedFormPhase:
    """The cut is the head: everything below is frozen, its features stored."""

    def __init__(self, phase: Phase, context: TrainContext, trainable: Trainable, place: Place) -> None:
        self._phase, self._context, self._trainable, self._place = phase, context, trainable, place
        self._best: Tried | None = None
        self._tried = 0
        self._best_number = 0
        self._clock = time.monotonic()

    def run(self, conclude: Conclude, loaded: Loaded | None = None) -> None:
        """Solve for heads, refit on train and val where the phase says so, and set the head; `conclude` is called with
        how it ended before that is saved.

        There is no checkpoint in the middle of it, so that `loaded` is None.
        """
        context, phase, task = self._context, self._phase, self._context.task
        source, cut = context.source, self._place.cut
        train = self._rows(source.training(cut, views=phase.views, fresh=False, mixing=False), "train")
        val = self._rows(source.plain(cut, "val"), "val")
        facts, places = context.facts.get("train", ()), np.resize(np.arange(train.samples), len(train))  # of each view
        learned = Held(train, Picked(facts, places) if len(facts) else ())
        judged = Held(val, context.facts.get("val", ()), context.owners.get("val"))
        self._clock = time.monotonic()
        # Products of small matrices are fastest on one thread.
        with threadpool_limits(1, user_api="blas") if len(train) * train.channels < SMALL else contextlib.nullcontext():
            solve_path(task, learned, judged, phase.strengths, self._on_tried)
            if self._best is None or not isinstance(task, SolvesHead):
                raise ValueError(f"the task solved no head for strengths {phase.strengths}")
            chosen = self._best
            solved = task.solve_again(train + val, chosen.solved) if phase.refit else chosen.solved
        for name, variable in name_variables(context.network.stages[-1:]).items():
            variable.assign(solved.weights[name.rpartition("/")[2]])

        found: Mapping[str, Any] = {}
        if self._place.is_last and isinstance(task, Calibrates):
            found = score(Calibrated(task), chosen.solved, judged, loss_step(task)).found()
            task = task.calibrated(found)
        before_refit: Mapping[str, Any] = {}
        if self._place.is_last and phase.refit:  # the refitted head has seen val, so that only this one tells of it
            result = score(Scores(task), chosen.solved, judged, loss_step(task)).result()
            before_refit = {"metrics": without_nan(result.metrics), "calibration": dict(result.calibration)}

        done = PhaseResult(
            phase.name,
            phase.train,
            self._best_number,
            chosen.val,
            "all strengths",
            1,
            strength=solved.strength,
            solver=solved.solver,
            refit=phase.refit,
            trained={HEAD: sum(array.size for array in solved.weights.values())},
            found=found,
            before_refit=before_refit,
        )
        with deferred(context.checkpoints_kept):  # what was reported as done is saved, whatever signal comes
            conclude(done)
            context.save_complete(self._place, phase, done, self._trainable.changed)

    def _rows(self, seen: Seen, split: str) -> Rows:
        """Every view of a split, what the head takes flattened to (sample, channel)."""
        samples = seen.samples.samples if isinstance(seen.samples, Trimmed) else seen.samples
        if not isinstance(samples, Stored):
            raise ValueError("a closed-form phase needs stored features")
        features = self._context.network.features
        flat = tuple(flattened(view, features) for view in samples.views)
        return Rows((Part(flat, self._context.targets[split]),))

    def _on_tried(self, tried: Tried) -> None:
        self._tried += 1
        better = self._best is None or is_surer(self._context.task, tried.val, self._best.val)
        if better:
            self._best, self._best_number = tried, self._tried
        elapsed, self._clock = time.monotonic() - self._clock, time.monotonic()
        self._context.log.emit(
            EpochDone(
                time=now(),
                phase=self._phase.name,
                epoch=self._tried,
                epochs=max(self._tried, len(self._phase.strengths)),
                train=tried.train,
                val=tried.val,
                rates={},
                seconds=elapsed,
                best=better,
                strength=tried.solved.strength,
                solver=tried.solved.solver,
            )
        )
