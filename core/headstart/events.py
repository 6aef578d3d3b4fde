"""What a run says while it happens: typed records, appended to events.jsonl and heard by reporters.

Losses and metrics are floats, times are seconds; `None` stands for a value that is not there, never NaN.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from time import time as now
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events. `time` is seconds since the epoch (UTC), by default now."""

    time: float = dataclasses.field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A run began; `samples` counts by split. `lineage` says in words what trained weights came from, None where those
    that it starts with are no run's. What was told before it is not part of the run: that data was read, or a
    start that came to no checkpoint."""

    run: str
    backend: str
    backbone: str
    weights: str
    task: str
    strategy: str
    primary_metric: str
    higher_is_better: bool
    classes: tuple[str, ...]
    samples: Mapping[str, int]
    parameters: Mapping[str, int]
    phases: tuple[str, ...]
    lineage: str | None = None


@dataclass(frozen=True, kw_only=True)
class PhaseStarted(Event):
    """A phase began: the numbers that are to learn by stage, `trainable`; `cut` is the lowest stage that learns.

    `cached` are the stages below it that are computed once and stored; empty where they run at each step. `adapted`
    counts the kernels that low-rank updates are for, by stage; empty where there are none. Over the first `warmup`
    steps, of each training where there are several, the rates rise to `rates`; then they go as the `schedule` says
    ("cosine", "constant"). `optimizer` ("adamw", "adam", "sgd", "rmsprop") has its moments begin at 0, and `momentum`
    is that of "sgd"; both names are None for a head that is solved for.
    """

    phase: str
    index: int
    count: int
    epochs: int
    steps: int
    solver: str
    cut: str
    cached: tuple[str, ...]
    trainable: Mapping[str, int]
    rates: Mapping[str, float]
    adapted: Mapping[str, int] = dataclasses.field(default_factory=dict)
    warmup: int = 0
    optimizer: str | None = None
    momentum: float = 0.0
    schedule: str | None = None


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """Work went on. `activity` says at what ("read", "features", "choosing stages", "range test", "train",
    "evaluate"); `done` of `total` samples or steps.

    `unit` names what is counted; `metrics` are running values such as the training loss.
    """

    activity: str
    done: int
    total: int
    unit: str
    phase: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EpochDone(Event):
    """An epoch ended, or a head was solved for: then by which `solver`, at which `strength`, `epochs` so far or more.

    `train` and `val` are metrics by name.
    """

    phase: str
    epoch: int
    epochs: int
    train: Mapping[str, float]
    val: Mapping[str, float]
    rates: Mapping[str, float]
    seconds: float
    best: bool
    strength: float | None = None
    solver: str | None = None


@dataclass(frozen=True, kw_only=True)
class PhaseDone(Event):
    """A phase ended; `reason` says why ("all epochs", "no better for 3 epochs"); frozen weights were verified.

    `trained` are the numbers that were learned, by stage: those of the optimizer's own variables or of the solved head,
    which were compared with the `trainable` ones of its start.
    """

    phase: str
    best_epoch: int
    best: Mapping[str, float]
    reason: str
    frozen_verified: int
    seconds: float
    trained: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WentBack(Event):
    """A loss spiked, or memory did not suffice: training goes back to the start of `epoch`, for that `reason`.

    Epochs from there on that were done count no more.
    """

    phase: str
    epoch: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class WeightsAveraged(Event):
    """Weights were averaged: `kind` "soup" of the trials with the rate factors `values`, none where all of them kept
    the phase's start; or "share", an interpolation with that start, of which `values` names the share of what was
    learned. `val` are its metrics."""

    phase: str
    kind: str
    values: tuple[float, ...]
    val: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class BatchNormReestimated(Event):
    """The statistics of so many BatchNorm `layers` were taken from the training split, once."""

    layers: int
    samples: int


@dataclass(frozen=True, kw_only=True)
class RunResumed(Event):
    """A run went on in `phase` after `step` updates of it in all. Of the events before, the first `after` count: those
    that came later are of steps that were taken again."""

    phase: str
    step: int
    after: int


@dataclass(frozen=True, kw_only=True)
class CheckpointSaved(Event):
    """A checkpoint is complete on disk."""

    path: str
    step: int
    best: bool


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    """Something the user should know; the run goes on."""

    message: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Noted(Event):
    """Something that was done by a rule and is worth knowing, such as how many samples were converted."""

    message: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The artefact was written, reloaded and evaluated; `result` is what result.json holds."""

    result: Mapping[str, Any]


KINDS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}


def to_line(event: Event) -> str:
    """One line of events.jsonl, its kind under `event`. Raises ValueError for NaN or infinity."""
    return json.dumps({"event": type(event).__name__, **dataclasses.asdict(event)}, allow_nan=False)


def from_line(line: str) -> Event:
    """The event that `to_line` wrote. Raises ValueError for a kind this version does not know, and where there is no
    `time`."""
    values = json.loads(line)
    kind = values.pop("event", None)
    if kind not in KINDS:
        raise ValueError(f"unknown event kind {kind!r}; known: {', '.join(KINDS)}")
    if "time" not in values:
        raise ValueError(f"{kind} has no `time`")
    fields = {field.name: field for field in dataclasses.fields(KINDS[kind])}
    for name, value in values.items():
        if isinstance(value, list) and str(fields[name].type).startswith("tuple"):
            values[name] = tuple(value)
    return KINDS[kind](**values)
