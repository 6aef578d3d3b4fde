"""What a run decides about its engines by measuring: decided once, written down, and obeyed where the run goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEY = "engine"
"""Where environment.json holds it."""


@dataclass(frozen=True)
class Measured:
    """What an engine does with a prefix here: samples a second, and how far it is from the stock network's answers."""

    rate: float
    largest: float
    relative: float


@dataclass(frozen=True)
class EngineDecision:
    """The `engine` by full name, its `precision`, and the threads it may use, for all that is frozen.

    `native_rate` is how many samples a second the backend's own engine computes, None where it was not measured.
    `stock_layers` says whether layers are as Keras has them, `exports` whether the artefact's answers are worth a graph
    of it. `measured` and `refused` say of "engine precision" what was found, and why it could not be taken.
    """

    engine: str
    precision: str
    threads: int
    native_rate: float | None = None
    stock_layers: bool = False
    exports: bool = False
    measured: Mapping[str, Measured] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, environment: Path) -> EngineDecision | None:
        """The one that environment.json holds as plain values (`dataclasses.asdict`); None where it holds none."""
        try:
            facts = dict(json.loads(environment.read_text(encoding="utf-8"))[KEY])
            measured = {name: Measured(**each) for name, each in facts.pop("measured").items()}
            return cls(**facts, measured=measured)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def result(self) -> dict[str, Any]:
        """What result.json says about the engine."""
        return {
            "name": self.engine.rpartition("/")[2],
            "precision": self.precision,
            "threads": self.threads,
            "measured": {
                name: {"samples_per_second": each.rate, "largest_difference": each.largest, "relative": each.relative}
                for name, each in self.measured.items()
            },
            "refused": dict(self.refused),
        }
