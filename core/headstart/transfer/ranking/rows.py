"""What is known of a source: what each score says of it, what it costs, and why there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headstart.specs import Baseline
from headstart.transfer.ranking.candidates import Candidate


@dataclass(frozen=True)
class Found:
    """What one score says of one source: its value, its 95 % interval, its resamples for comparisons in pairs, and what
    answers that look at no feature would get."""

    value: float
    interval: tuple[float, float]
    resampled: tuple[float, ...] = ()
    baseline: Baseline | None = None


@dataclass(frozen=True)
class Row:
    """A source and what is known of it. `scores` are by short name; `refused` says of those that are not there why.

    `rate` is samples a second in `engine`, `met` how many of the records a run was trained or chosen on before.
    `problem` says why there are no scores at all.
    """

    candidate: Candidate
    channels: int = 0
    rate: float | None = None
    engine: str | None = None
    scores: Mapping[str, Found] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    met: int = 0
    seconds: float = 0.0
    problem: str | None = None

    def document(self) -> dict[str, Any]:
        """As plain values: each score with its interval, and its value by itself."""
        candidate, weights = self.candidate, self.candidate.weights
        return {
            "name": candidate.name,
            "backbone": candidate.spec.name,
            "weights": candidate.weights_flag,
            "trained_on": None if weights is None else weights.trained_on,
            "licence": candidate.spec.licence if weights is None else weights.licence,
            "source_accuracy": candidate.source_accuracy,
            "parameters": candidate.spec.parameters,
            "bytes": None if weights is None else weights.size,
            "channels": self.channels,
            "samples_per_second": self.rate,
            "engine": self.engine,
            "scores": {name: {"value": each.value, "ci95": list(each.interval)} for name, each in self.scores.items()},
            **{name: each.value for name, each in self.scores.items()},
            "refused": dict(self.refused),
            "met": self.met,
            "seconds": self.seconds,
            "problem": self.problem,
        }
