"""Where a gradient phase stands between two steps, as arrays and plain values: all that its going on depends on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.engine.train.epochs import Collected
from headstart.engine.train.recovery import SpikeGuard
from headstart.engine.train.weight_averaging import Outcome

OUTPUT = "output."


@dataclass
class Best:
    """The best epoch so far, 0 being the start: its number, its metrics and answers on val, and what was learned."""

    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    answers: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass
class Standing:
    """`leg` is the rate factor that is being tried, `epoch` the next to be trained or the one that `begun` is of.

    `taken` are the updates of this phase before that epoch; `parts` and `slower` are what recovering came to, after
    going back so often (`spikes`, `shortages`). `outcomes` and `best_epochs` are those of the legs before. `start` is
    that of every leg, where there are several.
    """

    leg: int = 0
    epoch: int = 1
    taken: int = 0
    begun: Collected = field(default_factory=Collected)
    best: Best = field(default_factory=Best)
    start: Best = field(default_factory=Best)
    guard: SpikeGuard = field(default_factory=SpikeGuard)
    parts: int = 1
    slower: float = 1.0
    spikes: int = 0
    shortages: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    best_epochs: list[int] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """What is no array, for a checkpoint."""
        return {
            "leg": self.leg,
            "epoch": self.epoch,
            "taken": self.taken,
            "best": {"epoch": self.best.epoch, "metrics": without_nan(self.best.metrics)},
            "start": without_nan(self.start.metrics),
            "guard": {"recent": self.guard.recent, "low": self.guard.low, "heard": self.guard.heard},
            "parts": self.parts,
            "slower": self.slower,
            "spikes": self.spikes,
            "shortages": self.shortages,
            "best_epochs": self.best_epochs,
            "outcomes": [without_nan(outcome.metrics) for outcome in self.outcomes],
        }

    def groups(self) -> dict[str, Mapping[str, np.ndarray]]:
        """The arrays, for a checkpoint."""
        outputs = {OUTPUT + name: array for name, array in self.begun.outputs.items()}
        seen = {"losses": self.begun.losses, "rows": self.begun.rows, **outputs}
        return {
            "best": self.best.arrays,
            "best_answers": self.best.answers,
            "start_answers": self.start.answers,
            "seen": seen if self.begun.steps else {},
            **{f"outcome.{place}": outcome.arrays for place, outcome in enumerate(self.outcomes)},
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any], groups: Mapping[str, Mapping[str, np.ndarray]]) -> Standing:
        """What `facts` and `groups` were made of."""
        seen = groups.get("seen", {})
        outputs = {name.removeprefix(OUTPUT): array for name, array in seen.items() if name.startswith(OUTPUT)}
        rows = seen.get("rows", np.zeros(0, np.int64))
        best = facts["best"]
        outcomes = [
            Outcome(groups[f"outcome.{place}"], with_nan(metrics)) for place, metrics in enumerate(facts["outcomes"])
        ]
        return cls(
            leg=facts["leg"],
            epoch=facts["epoch"],
            taken=facts["taken"],
            begun=Collected(seen.get("losses", np.zeros(0)), rows, outputs),
            best=Best(best["epoch"], with_nan(best["metrics"]), groups.get("best", {}), groups.get("best_answers", {})),
            start=_start(with_nan(facts["start"]), groups),
            guard=SpikeGuard(**facts["guard"]),
            parts=facts["parts"],
            slower=facts["slower"],
            spikes=facts["spikes"],
            shortages=facts["shortages"],
            outcomes=outcomes,
            best_epochs=list(facts["best_epochs"]),
        )


def _start(metrics: Mapping[str, float], groups: Mapping[str, Mapping[str, np.ndarray]]) -> Best:
    """Where every leg begins; nothing is known of it where there is one leg."""
    return Best(0, metrics, groups.get("start", {}), groups.get("start_answers", {})) if metrics else Best()


def without_nan(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Metrics for JSON, None for what is not a number."""
    return {name: None if math.isnan(value) else value for name, value in metrics.items()}


def with_nan(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """What `without_nan` was given."""
    return {name: math.nan if value is None else value for name, value in metrics.items()}
