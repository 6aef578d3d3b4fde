"""The state of a gradient phase between two steps: all that going on from there depends on, besides weights and
moments; and how a phase ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.engine.train.epochs import EpochRecord
from headstart.engine.train.recovery import SpikeGuard
from headstart.engine.train.weight_averaging import Outcome
from headstart.specs import Batch

LOSSES = "losses"
SCORES = "scores."
NOTHING = Outcome({}, {})


@dataclass
class TrainState:
    """`trial` is the rate factor that is being tried, `epoch` the next to be trained or the one that `record` is of.

    `taken` are the updates of this phase before that epoch; `parts` and `slower` are what recovering came to, after
    going back so often (`spikes`, `shortages`). `best` is the best epoch so far, or the start; `start` is that of every
    trial, where there are several or where the result is mixed with it. `trials` are the best of those before. `saved`
    are the updates before the epoch's end that was saved last.
    """

    trial: int = 0
    epoch: int = 1
    taken: int = 0
    record: EpochRecord = field(default_factory=EpochRecord)
    best: Outcome = NOTHING
    start: Outcome = NOTHING
    guard: SpikeGuard = field(default_factory=SpikeGuard)
    parts: int = 1
    slower: float = 1.0
    spikes: int = 0
    shortages: int = 0
    trials: list[Outcome] = field(default_factory=list)
    saved: int = 0

    def facts(self) -> dict[str, Any]:
        """What is no array, for a checkpoint."""
        return {
            "trial": self.trial,
            "epoch": self.epoch,
            "taken": self.taken,
            "best": {"epoch": self.best.epoch, "metrics": without_nan(self.best.metrics)},
            "start": without_nan(self.start.metrics),
            "guard": dict(vars(self.guard)),
            "parts": self.parts,
            "slower": self.slower,
            "spikes": self.spikes,
            "shortages": self.shortages,
            "trials": [{"epoch": each.epoch, "metrics": without_nan(each.metrics)} for each in self.trials],
            "saved": self.saved,
        }

    def groups(self) -> dict[str, Batch]:
        """The arrays, for a checkpoint: of the epoch that was begun, the loss of each step and the running scores."""
        record, epoch = self.record, {}
        if record.steps:
            epoch = {LOSSES: np.array(record.losses, np.float64)}
            if record.scores is not None:
                epoch |= {SCORES + name: array for name, array in record.scores.state().items()}
        return {
            "best": self.best.arrays,
            "epoch": epoch,
            **{f"trial.{place}": outcome.arrays for place, outcome in enumerate(self.trials)},
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any], groups: Mapping[str, Batch], record: EpochRecord) -> TrainState:
        """What `facts` and `groups` were made of; the new `record` takes over that of the epoch that was begun."""
        if epoch := groups.get("epoch", {}):
            record.losses = epoch[LOSSES].tolist()
            record.total = sum(record.losses)
            if record.scores is not None:
                saved = {name.removeprefix(SCORES): each for name, each in epoch.items() if name.startswith(SCORES)}
                record.scores.restore(saved)
        start, best = with_nan(facts["start"]), facts["best"]
        return cls(
            trial=facts["trial"],
            epoch=facts["epoch"],
            taken=facts["taken"],
            record=record,
            best=Outcome(groups.get("best", {}), with_nan(best["metrics"]), best["epoch"]),
            start=Outcome(groups.get("start", {}), start) if start else NOTHING,
            guard=SpikeGuard(**facts["guard"]),
            parts=facts["parts"],
            slower=facts["slower"],
            spikes=facts["spikes"],
            shortages=facts["shortages"],
            trials=[
                Outcome(groups[f"trial.{place}"], with_nan(each["metrics"]), each["epoch"])
                for place, each in enumerate(facts["trials"])
            ],
            saved=facts["saved"],
        )


@dataclass(frozen=True)
class PhaseResult:
    """How a phase ended: `best` are the best epoch's metrics on val, `steps` counts updates.

    `learned` are the stages that learned: those that were picked, where a phase picks; `trained` counts the numbers
    that did, by stage. A head that was solved for has the `strength` and `solver` that val chose; what learned by
    gradient has its `optimizer` and `schedule`. `averaged` is what val chose to average, the rate factors of a "soup"
    or the "share" of what was learned.

    Of the last phase, where the task can be calibrated, `found` are the plain facts that its calibrator found on val,
    by the weights that val chose, before a refit. Where the last phase refits, `before_refit` are the `metrics` and the
    `calibration` on val of the head that val chose, by the calibrated task.
    """

    phase: str
    learned: tuple[str, ...]
    best_epoch: int
    best: Mapping[str, float]
    reason: str
    steps: int
    strength: float | None = None
    solver: str | None = None
    optimizer: str | None = None
    schedule: str | None = None
    refit: bool = False
    trained: Mapping[str, int] = field(default_factory=dict)
    averaged: Mapping[str, Sequence[float]] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)
    before_refit: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """How it ended as plain values, None for what is not a number; without what val says of the answers."""
        return {name: value for name, value in self.saved().items() if name not in ("found", "before_refit")}

    def saved(self) -> dict[str, Any]:
        """All of it as plain values, for a checkpoint."""
        return {
            **vars(self),
            "learned": list(self.learned),
            "best": without_nan(self.best),
            "trained": dict(self.trained),
            "averaged": {kind: list(values) for kind, values in self.averaged.items()},
            "found": dict(self.found),
            "before_refit": dict(self.before_refit),
        }

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> PhaseResult:
        """What was `saved`."""
        return cls(**{**saved, "best": with_nan(saved["best"]), "learned": tuple(saved["learned"])})


def without_nan(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Metrics for JSON, None for what is not a number."""
    return {name: None if math.isnan(value) else value for name, value in metrics.items()}


def known(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics for events, without what is not a number, such as a figure of large objects where there are none."""
    return {name: value for name, value in metrics.items() if not math.isnan(value)}


def with_nan(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """What `without_nan` was given."""
    return {name: math.nan if value is None else value for name, value in metrics.items()}
