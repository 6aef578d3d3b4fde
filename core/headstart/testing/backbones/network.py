"""The networks of level B: built as a run builds them, cut finely, alive, seen stage by stage, trained for one step.

The backend was activated before: the engine imports Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.targets import build_target_kind
from headstart.engine.device import forward, train_step, without_gradients
from headstart.engine.network.assemble import backbone_inputs, graft
from headstart.engine.network.cutting import between, lone_tensors, nodes_of
from headstart.engine.network.frozen import trainable_variables
from headstart.engine.network.lsuv_init import initialise
from headstart.engine.network.network import TAP, Network
from headstart.engine.network.stages import name_variables, read_arrays
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedAdamW
from headstart.registry import Registry
from headstart.specs import (
    HEAD,
    BackboneRequest,
    BackboneSpec,
    FeatureSpec,
    GivesExamples,
    InputKind,
    Stage,
    TargetKind,
    Task,
    TaskRequest,
)

if TYPE_CHECKING:
    import keras

LONGEST = 12
"""Layers with weights after which a stage is cut, where one tensor alone crosses the place."""


def cut_finely(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The same network in pieces that share its layers; the last piece of a stage keeps the stage's name."""
    return tuple(piece for stage in stages for piece in _pieces(stage))


def _pieces(stage: Stage) -> Iterator[Stage]:
    tensors, outputs = dict(stage.model.input), dict(stage.model.output)
    cuts = _cuts(stage.model)
    for number, tensor in enumerate(cuts, start=1):
        above = {"x": tensor}
        yield Stage(f"{stage.name}, part {number}", between(tensors, above, stage.name))
        tensors = above
    yield Stage(stage.name, between(tensors, outputs, stage.name)) if cuts else stage


def _cuts(model: keras.Model) -> list[Any]:
    """The first lone tensor after each `LONGEST` layers with weights, but none that the model gives anyway."""
    ends = {id(tensor): tensor for tensor in model.output.values()}
    lone = {id(node): tensor for node, tensor in lone_tensors(model, list(ends.values()))}
    cuts, layers = [], 0
    for node in nodes_of(model):
        layers += bool(getattr(node.operation, "weights", ()))
        tensor = lone.get(id(node))
        if layers >= LONGEST and tensor is not None and id(tensor) not in ends:
            cuts.append(tensor)
            layers = 0
    return cuts


EXAMPLES = 4
"""Targets that a task is made of."""
RATE = 1e-3
SEED = 7
Arrays = Mapping[str, np.ndarray]
Outputs = dict[tuple[str, str], np.ndarray]
"""What each stage gives, by stage and tensor."""


@dataclass(frozen=True)
class Trained:
    """Every weight by name before and after one update of those in `learning`."""

    before: Arrays
    after: Arrays
    learning: frozenset[str]
    loss: float
    finite: bool

    def changed(self) -> set[str]:
        """The weights that are not what they were."""
        return {name for name, array in self.before.items() if not np.array_equal(array, self.after[name])}


def build_stages(build: Callable[[BackboneRequest], Any], options: Any, kind: InputKind) -> tuple[Stage, ...]:
    """What a build target gives for the tensors of `kind`. Raises ValueError where two weights have one name."""
    stages = tuple(build(BackboneRequest(options=options, inputs=backbone_inputs(kind))).stages)
    name_variables(stages)
    return stages


def preprocessed(kind: InputKind, batch: Arrays) -> dict[str, np.ndarray]:
    """Prepared samples after the input kind's own stage: what the first stage of the backbone reads."""
    given = run_stages([Stage("input", kind.stage())], batch)
    return {name: array for (_, name), array in given.items()}


def bring_alive(
    stages: Sequence[Stage], images: Arrays, seed: int = SEED, *, features: Sequence[FeatureSpec] | None = None
) -> str | None:
    """Seed and calibrate; returns what is dead, or None. Every weight was seeded in either case."""
    try:
        initialise(stages, images, seed, features=features)
    except ValueError as exc:
        return str(exc)
    return None


def run_stages(stages: Sequence[Stage], tensors: Arrays) -> Outputs:
    """Every tensor that the stages give, one stage after the other, in inference mode."""
    import keras

    alive: dict[str, Any] = {name: keras.ops.convert_to_tensor(array) for name, array in tensors.items()}
    outputs: Outputs = {}
    with without_gradients():
        for stage in stages:
            alive = dict(stage.model({name: alive[name] for name in stage.model.input}, training=False))
            for name, tensor in alive.items():
                outputs[stage.name, name] = np.array(keras.ops.convert_to_numpy(tensor), copy=True)
    return outputs


@dataclass(frozen=True)
class Headed:
    """The whole network, the task that its head is for, and the kind of targets that it learns."""

    network: Network
    task: Task
    targets: TargetKind


def with_head(kind: InputKind, stages: Sequence[Stage], spec: BackboneSpec, registry: Registry) -> Headed | None:
    """The stages below a head of the first task whose features they all have, and whose kind of targets gives examples;
    None where there is none."""
    names = {feature.name for feature in spec.features}
    for task_spec in registry.specs("tasks"):
        targets = build_target_kind(registry, task_spec.targets)
        if names.issuperset(task_spec.features) and isinstance(targets, GivesExamples):
            request = TaskRequest(task_spec.options(), targets=_values(targets, EXAMPLES))
            task: Task = registry.load_target(task_spec, task_spec.build)(request)
            return Headed(
                graft(kind, stages, spec.features, task=task, head=task_spec.heads[0], seed=SEED), task, targets
            )
    return None


def _values(targets: TargetKind, count: int) -> list[Any]:
    """What the kind reads of so many examples; one that gives none has no head."""
    if not isinstance(targets, GivesExamples):
        raise TypeError("the kind of targets gives no examples")
    return [targets.read(each, f"example {number}") for number, each in enumerate(targets.examples(count))]


def train_once(headed: Headed, batch: Arrays, train: Sequence[str]) -> Trained:
    """One update of the stages `train` and the head, as a gradient phase makes it."""
    network, task = headed.network, headed.task
    learning = trainable_variables(network, (*train, HEAD))
    rates = dict.fromkeys((*train, HEAD), RATE)
    optimizer = GroupedAdamW(learning, rates, steps=10, warmup=0.0, weight_decay=0.0)
    step = train_step(Step(network, 0, learning, optimizer, task))
    before = read_arrays(network.learned)
    values = _values(headed.targets, len(next(iter(batch.values()))))
    targets = task.encode(values, [{}] * len(values), [f"sample {number}" for number in range(len(values))])
    stepped = step(batch, targets, np.ones(len(values), np.float32))
    step.sync()
    return Trained(before, read_arrays(network.learned), frozenset(learning), stepped.loss, stepped.finite)


def stage_by_stage(network: Network, batch: Arrays, given: Outputs | None = None) -> Outputs:
    """What each stage below the head gives, computed as a run computes it; features under `@` and their name.

    Each stage reads what the stage below it gave: here, or in `given`, where the outputs of another process are there.
    """
    outputs: Outputs = {}
    below: Arrays = batch
    for position, stage in enumerate(network.stages[:-1]):
        found = forward(network, position, position + 1)(below)
        outputs |= {(stage.name, name): array for name, array in found.items()}
        known = outputs if given is None else given
        below = {name: array for (of, name), array in known.items() if of == stage.name and not name.startswith(TAP)}
    return outputs


def with_all_features(network: Network, spec: BackboneSpec) -> Network:
    """`network` with every feature that the backbone declares, not only the one that its head takes."""
    return Network(network.stages, spec.features)
