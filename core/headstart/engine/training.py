"""What the phases of one run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headstart.engine.checkpoints import Checkpoints
from headstart.engine.lowering import device_at_hand
from headstart.engine.network import Network
from headstart.engine.precision import FLOAT32
from headstart.engine.source import Source
from headstart.eventlog import EventLog
from headstart.specs import Phase, Task


@dataclass(frozen=True)
class Training:
    """`network` is made of stock layers and names the weights; `fast` is the same network lowered, which computes.

    `targets` holds the encoded targets by split, each in the order of `source.data.indices(split)`. `precision` is that
    of the backbone's stages that learn; heads and losses are float32."""

    network: Network
    fast: Network
    task: Task
    source: Source
    targets: Mapping[str, np.ndarray]
    seed: int
    batch_size: int
    log: EventLog
    checkpoints: Checkpoints
    precision: str = FLOAT32


def training_precision(asked: str) -> str:
    """`asked` on accelerators; float32 on processors, where backward convolutions in bfloat16 are slow."""
    return asked if device_at_hand() != "cpu" else FLOAT32


def is_fresh(phase: Phase) -> bool:
    """True where a phase draws augmented samples anew each epoch instead of storing views."""
    return phase.solver == "gradient" and phase.views == 0


@dataclass(frozen=True)
class PhaseResult:
    """How a phase ended: `best` are the best epoch's metrics on val, `steps` counts updates.

    A head that was solved for has the `strength` and `solver` that val chose."""

    phase: str
    best_epoch: int
    best: Mapping[str, float]
    reason: str
    steps: int
    strength: float | None = None
    solver: str | None = None
    refit: bool = False
