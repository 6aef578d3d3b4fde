"""The closed-form phase: the head solved on the frozen backbone's features, solver and strength chosen on val."""

from __future__ import annotations

import time
from collections.abc import Mapping

from headstart.engine.heads import Tried, is_surer, solve_path
from headstart.engine.linear_algebra import suited_threads
from headstart.engine.network import TAP
from headstart.engine.rows import Part, Rows
from headstart.engine.samples import Stored
from headstart.engine.source import Seen
from headstart.engine.stages import name_variables
from headstart.engine.training import PhaseResult, Training
from headstart.eventlog import now
from headstart.events import CheckpointSaved, EpochDone
from headstart.specs import HEAD, Phase, Solved


class ClosedFormPhase:
    """`cut` is the head: everything below is frozen, its features stored."""

    def __init__(self, phase: Phase, training: Training, *, cut: int, first_step: int) -> None:
        self._phase, self._training, self._cut, self._first_step = phase, training, cut, first_step
        self._best: Tried | None = None
        self._tried = 0
        self._best_number = 0
        self._clock = time.monotonic()

    def run(self) -> PhaseResult:
        """Solve for heads, refit on train and val where the phase says so, and set the head."""
        training, phase = self._training, self._phase
        source = training.source
        train = self._rows(source.training(self._cut, views=phase.views, fresh=False), "train")
        val = self._rows(source.plain(self._cut, "val"), "val")
        self._clock = time.monotonic()
        with suited_threads(len(train), train.channels):
            solved, metrics = self._solve(train, val)
        for name, variable in name_variables(training.network.stages[-1:]).items():
            variable.assign(solved.weights[name.rpartition("/")[2]])
        self._save(solved)
        return PhaseResult(
            phase.name,
            self._best_number,
            metrics,
            "all strengths",
            1,
            strength=solved.strength,
            solver=solved.solver,
            refit=phase.refit,
        )

    def _solve(self, train: Rows, val: Rows) -> tuple[Solved, Mapping[str, float]]:
        """The head that val chose, refitted where the phase says so, and its metrics on val from before that."""
        task, phase = self._training.task, self._phase
        solve_path(task, train, val, phase.strengths, self._heard)
        if self._best is None:
            raise ValueError(f"the task solved no head for strengths {phase.strengths}")
        solved, metrics = self._best.solved, self._best.val
        return (task.solve_again(train + val, solved) if phase.refit else solved), metrics

    def _rows(self, seen: Seen, split: str) -> Rows:
        """Every view of a split, its one feature flattened to (sample, channel)."""
        if not isinstance(seen.samples, Stored):
            raise ValueError("a closed-form phase needs stored features")
        views = seen.samples.views
        (name,) = (name for name in views[0] if name.startswith(TAP))
        flat = tuple(view[name].reshape(len(view[name]), -1) for view in views)
        return Rows((Part(flat, self._training.targets[split]),))

    def _heard(self, tried: Tried) -> None:
        self._tried += 1
        better = self._best is None or is_surer(self._training.task, tried.val, self._best.val)
        if better:
            self._best, self._best_number = tried, self._tried
        elapsed, self._clock = time.monotonic() - self._clock, time.monotonic()
        self._training.log.emit(
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

    def _save(self, solved: Solved) -> None:
        step = self._first_step + 1
        arrays = {f"{HEAD}/0/{role}": array for role, array in solved.weights.items()}
        path = self._training.checkpoints.save(step, arrays, best=True, facts={"phase": self._phase.name})
        self._training.log.emit(CheckpointSaved(time=now(), path=path.name, step=step, best=True))
