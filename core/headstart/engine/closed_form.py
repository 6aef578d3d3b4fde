"""The closed-form phase: the head solved on the frozen backbone's features, its strength chosen on val."""

from __future__ import annotations

import time

import numpy as np

from headstart.engine.heads import Labelled, Solution, Tried, is_better, solve_path
from headstart.engine.network import TAP
from headstart.engine.samples import Stored
from headstart.engine.source import Seen
from headstart.engine.stages import name_variables
from headstart.engine.training import PhaseResult, Training
from headstart.eventlog import now
from headstart.events import CheckpointSaved, EpochDone
from headstart.specs import HEAD, Phase


class ClosedFormPhase:
    """`cut` is the head: everything below is frozen, its features stored."""

    def __init__(self, phase: Phase, training: Training, *, cut: int, first_step: int) -> None:
        self._phase, self._training, self._cut, self._first_step = phase, training, cut, first_step
        self._best: Tried | None = None
        self._tried = 0
        self._best_number = 0
        self._clock = time.monotonic()

    def run(self) -> PhaseResult:
        """Solve the path, refit on train and val where the phase says so, and set the head."""
        training, phase = self._training, self._phase
        source = training.source
        train = self._labelled(source.training(self._cut, views=phase.views, fresh=False), "train")
        val = self._labelled(source.plain(self._cut, "val"), "val")
        self._clock = time.monotonic()
        best = solve_path(training.task, train, val, phase.strengths, self._heard)
        solution = best.solution
        if phase.refit:
            both = train + val
            solution = training.task.solve(both.features, both.targets, best.strength)
        for name, variable in name_variables(training.network.stages[-1:]).items():
            variable.assign(solution[name.rpartition("/")[2]])
        self._save(solution)
        return PhaseResult(
            phase.name, self._best_number, best.val, "all strengths", 1, best.strength, refit=phase.refit
        )

    def _labelled(self, seen: Seen, split: str) -> Labelled:
        """Every view of a split below one another, its one feature flattened to (rows, channel)."""
        if not isinstance(seen.samples, Stored):
            raise ValueError("a closed-form phase needs stored features")
        views = seen.samples.views
        (name,) = (name for name in views[0] if name.startswith(TAP))
        return Labelled(
            np.concatenate([view[name] for view in views]),
            np.concatenate([self._training.targets[split]] * len(views)),
        )

    def _heard(self, tried: Tried) -> None:
        self._tried += 1
        better = self._best is None or is_better(self._training.task, tried.val, self._best.val)
        if better:
            self._best, self._best_number = tried, self._tried
        elapsed, self._clock = time.monotonic() - self._clock, time.monotonic()
        self._training.log.emit(
            EpochDone(
                time=now(),
                phase=self._phase.name,
                epoch=self._tried,
                epochs=len(self._phase.strengths),
                train=tried.train,
                val=tried.val,
                rates={},
                seconds=elapsed,
                best=better,
                strength=tried.strength,
            )
        )

    def _save(self, solution: Solution) -> None:
        step = self._first_step + 1
        arrays = {f"{HEAD}/0/{role}": array for role, array in solution.items()}
        path = self._training.checkpoints.save(step, arrays, best=True, facts={"phase": self._phase.name})
        self._training.log.emit(CheckpointSaved(time=now(), path=path.name, step=step, best=True))
