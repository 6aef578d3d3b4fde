"""The closed-form phase: the head solved on the frozen backbone's features, solver and strength chosen on val."""

from __future__ import annotations

import time

from headstart.engine.checkpoints import Loaded
from headstart.engine.features.extract import flattened
from headstart.engine.features.source import Seen
from headstart.engine.heads import Tried, answers, is_surer, solve_path
from headstart.engine.learning import Learning
from headstart.engine.linear.blas import suited_threads
from headstart.engine.linear.rows import Part, Rows
from headstart.engine.network.stages import name_variables
from headstart.engine.samples import Stored
from headstart.engine.training import Conclude, PhaseResult, Place, Training
from headstart.eventlog import now
from headstart.events import EpochDone
from headstart.interrupts import deferred
from headstart.specs import HEAD, Phase, Solved


class ClosedFormPhase:
    """The cut is the head: everything below is frozen, its features stored."""

    def __init__(self, phase: Phase, training: Training, learning: Learning, place: Place) -> None:
        self._phase, self._training, self._learning, self._place = phase, training, learning, place
        self._best: Tried | None = None
        self._tried = 0
        self._best_number = 0
        self._clock = time.monotonic()

    def run(self, conclude: Conclude, loaded: Loaded | None = None) -> None:
        """Solve for heads, refit on train and val where the phase says so, and set the head; `conclude` hears how it
        ended before that is saved.

        There is no checkpoint in the middle of it, so that `loaded` is None.
        """
        training, phase = self._training, self._phase
        source = training.source
        cut = self._place.cut
        train = self._rows(source.training(cut, views=phase.views, fresh=False, mixing=False), "train")
        val = self._rows(source.plain(cut, "val"), "val")
        self._clock = time.monotonic()
        with suited_threads(len(train), train.channels):
            solved, chosen = self._solve(train, val)
        for name, variable in name_variables(training.network.stages[-1:]).items():
            variable.assign(solved.weights[name.rpartition("/")[2]])
        result = PhaseResult(
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
            answers=answers(chosen.solved, val),
        )
        with deferred(training.checkpoints_kept):  # what was told as done is saved, whatever signal comes
            conclude(result)
            training.save_complete(self._place, phase, result, self._learning.changed)

    def _solve(self, train: Rows, val: Rows) -> tuple[Solved, Tried]:
        """The head, refitted where the phase says so, and what val chose before that."""
        task, phase = self._training.task, self._phase
        solve_path(task, train, val, phase.strengths, self._heard)
        if self._best is None:
            raise ValueError(f"the task solved no head for strengths {phase.strengths}")
        solved = self._best.solved
        return (task.solve_again(train + val, solved) if phase.refit else solved), self._best

    def _rows(self, seen: Seen, split: str) -> Rows:
        """Every view of a split, what the head takes flattened to (sample, channel)."""
        if not isinstance(seen.samples, Stored):
            raise ValueError("a closed-form phase needs stored features")
        features = self._training.network.features
        flat = tuple(flattened(view, features) for view in seen.samples.views)
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
