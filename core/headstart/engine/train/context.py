"""What the phases of one run share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from headstart.data.order import epoch_order
from headstart.engine.batch import count_rows
from headstart.engine.contrast import showing_features
from headstart.engine.features.source import Source
from headstart.engine.lowering.registry import device_at_hand
from headstart.engine.network.network import Network
from headstart.engine.network.stages import name_variables
from headstart.engine.precision import FLOAT32, verify_precision
from headstart.engine.step import Step
from headstart.engine.train.checkpoints import Checkpoints
from headstart.engine.train.optimizer import GroupedOptimizer
from headstart.engine.train.state import PhaseResult
from headstart.engine.train.trainable import Trainable
from headstart.errors import EngineRefusal
from headstart.eventlog import EventLog
from headstart.events import CheckpointSaved
from headstart.specs import AUTO, Batch, Facts, Phase, Task

FROZEN = "frozen"


@dataclass
class TrainContext:
    """`network` is made of stock layers and names the weights; `fast` is the same network lowered, which computes.

    `targets` holds the encoded targets by split, each in the order of `source.data.indices(split)`; `facts`, in the
    same order, what is known of each row (absent: nothing), `owners` the record that it belongs to;
    `sampling_weights` (row,) how often each training sample is seen, None for once an epoch. `precision` is that of the
    stages that learn; heads and losses are float32. `batch_norm` is the policy for the backbone's statistics; with
    `checkpoint_every` a checkpoint is saved after so many steps within an epoch too. `elapsed` tells the seconds so
    far, by activity.
    """

    network: Network
    fast: Network
    task: Task
    source: Source
    targets: Mapping[str, Batch]
    seed: int
    batch_size: int
    log: EventLog
    checkpoints: Checkpoints
    precision: str = FLOAT32
    sampling_weights: np.ndarray | None = None
    batch_norm: str = FROZEN
    checkpoint_every: int | None = None
    elapsed: Callable[[], Mapping[str, float]] = dict
    identity: Mapping[str, Any] | None = None
    facts: Mapping[str, Sequence[Facts]] = field(default_factory=dict)
    owners: Mapping[str, np.ndarray] = field(default_factory=dict)
    results: list[PhaseResult] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    """The network's weights that phases so far have changed: what a checkpoint must hold."""

    def order(self, epoch: int) -> np.ndarray:
        """The rows of the training split (row,) int64 in the order of an epoch."""
        return epoch_order(self.seed, epoch, count_rows(self.targets["train"]), self.sampling_weights)

    def step(self, start: int, trainable: Trainable, optimizer: GroupedOptimizer, *, contrast: float) -> Step:
        """What a training step is made of, for samples that enter at stage `start`."""
        return Step(
            showing_features(self.fast) if contrast else self.fast,
            start,
            trainable.variables,
            optimizer,
            self.task,
            self.precision,
            trainable.adapter,
            trainable.training,
            contrast,
        )

    def assign_weights(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set weights of the network by name."""
        named = name_variables(self.network.learned)
        for name, array in arrays.items():
            named[name].assign(array)

    def seeds(self) -> list[keras.Variable]:
        """The states of layers that draw, in order."""
        ours = {id(variable) for variable in name_variables(self.fast.learned).values()}
        ours |= {id(variable) for variable in name_variables(self.network.learned).values()}
        found = {id(v): v for stage in self.fast.stages for v in stage.model.non_trainable_variables}
        return [variable for key, variable in found.items() if key not in ours]

    def seed_backbone(self) -> None:
        """Let the backbone's layers that draw begin by `seed`: those that were given none have one of their own in each
        process."""
        ours = {id(v) for stage in self.fast.backbone for v in stage.model.non_trainable_variables}
        for place, variable in enumerate(each for each in self.seeds() if id(each) in ours):
            drawn = np.random.SeedSequence([self.seed, place]).generate_state(1)[0] >> 1
            variable.assign(np.array([drawn, *[0] * (variable.shape[0] - 1)], np.int64).astype(variable.dtype))

    def shared_groups(self, changing: Mapping[str, keras.Variable]) -> dict[str, Mapping[str, np.ndarray]]:
        """What every checkpoint holds: the network's weights that are no longer as they were loaded, those that
        `changing` names among them, and the states of layers that draw."""
        wanted = self.changed | set(changing)
        named = name_variables(self.network.learned)
        return {
            "weights": {name: copy_of(variable) for name, variable in named.items() if name in wanted},
            "seeds": {str(place): copy_of(variable) for place, variable in enumerate(self.seeds())},
        }

    def restore_shared(self, groups: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Take over what `shared_groups` gave."""
        self.assign_weights(groups.get("weights", {}))
        for place, variable in enumerate(self.seeds()):
            variable.assign(groups["seeds"][str(place)])

    def shared_facts(self, place: Place, phase: Phase) -> dict[str, Any]:
        """What every checkpoint says; the events that it counts are durable from here on."""
        self.log.sync()
        return {
            "phase": place.index,
            "name": phase.name,
            "train": list(phase.train),
            "untouched": place.untouched,
            "plan": place.plan,
            "events": self.log.count,
            "results": [result.saved() for result in self.results],
            "seconds": dict(self.elapsed()),
            "changed": sorted(self.changed),
        }

    def save_complete(
        self, place: Place, phase: Phase, result: PhaseResult, changed: Mapping[str, keras.Variable]
    ) -> None:
        """The checkpoint at a phase's end: its outcome is set."""
        self.results.append(result)
        self.changed |= set(changed)
        facts = {**self.shared_facts(place, phase), "complete": True}
        step = place.first_step + result.steps
        path = self.checkpoints.save(step, self.shared_groups(changed), facts=facts, best=True)
        self.log.emit(CheckpointSaved(path=path.name, step=step, best=True))

    def checkpoints_kept(self) -> str:
        """What is kept, for a message about an end that was not planned."""
        last = self.checkpoints.last
        return f"checkpoints/{last} holds the last good weights" if last else "no epoch was finished"


@dataclass(frozen=True)
class Place:
    """Where a phase stands among the others: its `index`, its `cut`, and the updates before it; whether it `is_last`.
    `untouched` is a digest of the weights that no phase so far may change, `plan` one of all phases."""

    index: int
    cut: int
    first_step: int
    untouched: str
    plan: str
    is_last: bool = False


def digest_of(hashes: Mapping[str, str]) -> str:
    """One SHA-256 of the hashes of weights by name."""
    lines = [f"{name} {hashes[name]}\n" for name in sorted(hashes)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest_of_plan(phases: Sequence[Phase]) -> str:
    """One SHA-256 of all that phases are planned with."""
    text = json.dumps(
        [vars(phase) for phase in phases],
        sort_keys=True,
        default=lambda value: dict(value) if isinstance(value, Mapping) else vars(value),
    )
    return hashlib.sha256(text.encode()).hexdigest()


def training_precision(asked: str, prefix: str) -> str:
    """The precision of stages that learn: `asked`, or for "auto" the one of the frozen `prefix` on accelerators and
    float32 on processors, where backward convolutions in bfloat16 are slow.

    Raises EngineRefusal where this backend has no use for the precision that was named.
    """
    if asked == AUTO:
        return prefix if device_at_hand() != "cpu" else FLOAT32
    try:
        verify_precision(asked)
    except EngineRefusal as exc:
        raise EngineRefusal(exc.message, hint="use --set training_precision=float32, or --backend torch") from exc
    return asked


def is_fresh(phase: Phase) -> bool:
    """True where a phase draws augmented samples anew each epoch instead of storing views."""
    return phase.solver == "gradient" and phase.views == 0


Conclude = Callable[[PhaseResult], None]
"""Called with how a phase ended, before its complete checkpoint is saved; what it raises leaves none."""


def copy_of(variable: keras.Variable) -> np.ndarray:
    """Its numbers as they are now, whatever happens to it."""
    return np.array(keras.ops.convert_to_numpy(variable), copy=True)
