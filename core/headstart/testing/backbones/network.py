"""The networks of level B: built as a run builds them, cut finely, alive, seen stage by stage, trained for one step.

The backend was activated before: the engine imports Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.targets import build_target_kind
from headstart.engine.device import forward, train_step, without_gradients
from headstart.engine.network.assemble import backbone_inputs, graft
from headstart.engine.network.cutting import between, lone_tensors, nodes_of
from headstart.engine.network.lsuv_init import initialise
from headstart.engine.network.network import TAP, Network, choose_features
from headstart.engine.network.stages import (
    assign_arrays,
    is_statistic,
    name_variables,
    read_arrays,
    trainable_variables,
    verify_composition,
    verify_names,
    weighted_layers,
)
from headstart.engine.step import Step
from headstart.engine.train.optimizer import GroupedOptimizer, Schedule
from headstart.registry import Registry
from headstart.specs import (
    HEAD,
    BackboneRequest,
    BackboneSpec,
    FeatureSpec,
    GivesExamples,
    InputKind,
    Stage,
    Task,
    TaskRequest,
    features_of_head,
)
from headstart.testing.contract import MOST_LISTED

if TYPE_CHECKING:
    import keras

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

    @property
    def changed(self) -> set[str]:
        """The weights that are not what they were."""
        return {name for name, array in self.before.items() if not np.array_equal(array, self.after[name])}

    @property
    def statistics(self) -> set[str]:
        """Moving means and variances."""
        return {name for name in self.before if is_statistic(name)}


@dataclass(frozen=True)
class SmallNetwork:
    """What a build target gave for the tensors of `kind`; what is wrong with it is told in words for its author."""

    stages: tuple[Stage, ...]
    spec: BackboneSpec
    kind: InputKind

    @classmethod
    def build(
        cls, target: Callable[[BackboneRequest], Any], options: Any, spec: BackboneSpec, kind: InputKind
    ) -> SmallNetwork:
        """Raises ValueError where two weights have one name."""
        stages = tuple(target(BackboneRequest(options=options, inputs=backbone_inputs(kind))).stages)
        name_variables(stages)
        return cls(stages, spec, kind)

    @property
    def variables(self) -> dict[str, keras.Variable]:
        """Every weight by name, in order."""
        return name_variables(self.stages)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """A copy of every weight by name."""
        return read_arrays(self.stages)

    def assign(self, arrays: Arrays, source: str) -> None:
        """Take other weights. Raises HeadstartError where names or shapes differ."""
        assign_arrays(self.stages, arrays, source=source)

    def headed(self, registry: Registry, count: int, stages: Sequence[Stage] | None = None) -> Headed | None:
        """The stages, or `stages` in their place, below a head of the first task whose features they all have, and
        whose kind of targets gives examples; None where there is none. The task is made of `count` of these."""
        names = {feature.name for feature in self.spec.features}
        for task_spec in registry.specs("tasks"):
            targets = build_target_kind(registry, task_spec.targets)
            head = task_spec.heads[0]
            wanted = features_of_head(task_spec, head)
            if names.issuperset(wanted) and isinstance(targets, GivesExamples):
                examples = enumerate(targets.examples(count))
                values = [targets.read(each, f"example {number}") for number, each in examples]
                request = TaskRequest(task_spec.options(), targets=values, inputs=self.kind.tensors)
                task: Task = registry.load_target(task_spec, task_spec.build)(request)
                below, features = stages or self.stages, choose_features(self.spec.features, wanted)
                network = graft(self.kind, below, features, task=task, head=head, seed=SEED)
                return Headed(network, task, values)
        return None

    def stage_problems(self) -> Iterator[str]:
        """Where the stages are not those that are declared, or no chain of models between named tensors."""
        names = tuple(stage.name for stage in self.stages)
        if self.spec.stages is not None and names != tuple(self.spec.stages):
            yield f"it declares the stages {', '.join(self.spec.stages)} and builds {', '.join(names)}"
        for verify in (verify_names, verify_composition):
            try:
                verify(self.stages)
            except ValueError as exc:
                yield str(exc)

    def feature_problems(self, images: Arrays, outputs: Outputs) -> Iterator[str]:
        """Where a feature is not in the outputs of its stage, not finite, or of another shape than declared."""
        for feature in self.spec.features:
            where = f"the feature {feature.name!r} should be the tensor {feature.tensor!r} of stage {feature.stage!r}"
            array = outputs.get((feature.stage, feature.tensor))
            if array is None:
                given = ", ".join(sorted(name for stage, name in outputs if stage == feature.stage)) or "does not exist"
                yield f"{where}, which gives {given}"
                continue
            if not np.isfinite(array).all():
                yield f"{where}, which holds NaN or infinity"
            if array.ndim != len(feature.axes):
                yield f"{where} with the axes {', '.join(feature.axes)}, but that has the shape {array.shape}"
            elif problem := _stride_problem(feature, array, images):
                yield f"{where} {problem}"
            if feature.mask is not None and (feature.stage, feature.mask) not in outputs:
                yield f"{where} with the mask {feature.mask!r}, which that stage does not give"

    def channel_problems(self) -> Iterator[str]:
        """Where the network's channels are others than declared."""
        shapes = {(s.name, name): tuple(tensor.shape) for s in self.stages for name, tensor in s.model.output.items()}
        for feature in self.spec.features:
            shape = shapes.get((feature.stage, feature.tensor))
            if feature.channels is not None and (shape is None or shape[-1] != feature.channels):
                yield (
                    f"the feature {feature.name!r} declares {feature.channels} channels; with the default options "
                    + (f"its shape is {shape}" if shape else f"stage {feature.stage!r} gives no {feature.tensor!r}")
                )

    @property
    def parameters(self) -> int:
        """Every number in its weights."""
        return sum(math.prod(variable.shape) for variable in self.variables.values())

    def frozen_layers(self) -> Iterator[str]:
        """Layers with weights whose `trainable` is False, as `stage: layer`; those inside composite ones too."""
        for stage in self.stages:
            inner = (layer for outer in weighted_layers(stage.model) for layer in outer._flatten_layers())
            for layer in (stage.model, *inner):
                if layer.weights and not layer.trainable:
                    yield f"{stage.name}: {layer.name}"

    def freezing_problems(self) -> Iterator[str]:
        """Train each stage alone: exactly its own weights may learn, all that its layers call trainable and no
        others."""
        # `learned` leaves out the first, which is the input stage in a run
        network = Network((self.stages[0], *self.stages), ())
        owner: dict[int, str] = {}
        for stage in self.stages:
            named = name_variables([stage])
            own = {id(variable) for layer in weighted_layers(stage.model) for variable in layer.trainable_weights}
            expected = {name for name, variable in named.items() if id(variable) in own and not is_statistic(name)}
            found = set(trainable_variables(network, (stage.name,)))
            if found != expected:
                others = _listed(found ^ expected)
                yield f"training stage {stage.name!r} alone would train others than its own: {others}"
            owners = {name: owner.setdefault(id(variable), stage.name) for name, variable in named.items()}
            shared = [name for name, first in owners.items() if first != stage.name]
            if shared:
                yield f"a stage below has the same weights as {_listed(shared)}: frozen there, they would learn here"


def _stride_problem(feature: FeatureSpec, array: np.ndarray, inputs: Arrays) -> str | None:
    """A map of another stride. Convolutions without padding lose a margin, so it has to be nearer than the next one."""
    pictures = [image.shape[1:3] for image in inputs.values() if image.ndim == 4]
    if feature.stride is None or len(pictures) != 1 or "height" not in feature.axes:
        return None
    for axis, side in zip(("height", "width"), pictures[0], strict=True):
        size = array.shape[feature.axes.index(axis)]
        ratio = side / size / feature.stride
        highest = 3.0 if size == 1 else 2.0
        if not math.sqrt(0.5) < ratio < highest:
            return f"with the stride {feature.stride}, but {side} of {axis} became {size}"
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:MOST_LISTED])


@dataclass(frozen=True)
class Headed:
    """The whole network, the task that its head is for, and the values of targets that the task was made of."""

    network: Network
    task: Task
    values: Sequence[Any]

    def train_once(self, batch: Arrays, train: Sequence[str]) -> Trained:
        """One update of the stages `train` and the head, as a gradient phase makes it, and back."""
        learning = trainable_variables(self.network, (*train, HEAD))
        rates = dict.fromkeys((*train, HEAD), RATE)
        optimizer = GroupedOptimizer(learning, rates, Schedule(10))
        step = train_step(Step(self.network, 0, learning, optimizer, self.task))
        before = read_arrays(self.network.learned)
        count = len(self.values)
        targets = self.task.encode(self.values, [{}] * count, [f"sample {number}" for number in range(count)])
        stepped = step(batch, targets, np.ones(count, np.float32))
        step.sync()
        after = read_arrays(self.network.learned)
        assign_arrays(self.network.learned, before, source="the weights from before the step")
        return Trained(before, after, frozenset(learning), stepped.loss, stepped.finite)

    def stage_by_stage(self, spec: BackboneSpec, batch: Arrays, given: Outputs | None = None) -> Outputs:
        """What each stage below the head gives, computed as a run computes it; every feature of `spec`, not only those
        that the head takes, under `@` and its name.

        Each stage reads what the stage below it gave: here, or in `given`, where the outputs of another process are.
        """
        network = Network(self.network.stages, spec.features)
        outputs: Outputs = {}
        below: Arrays = batch
        for position, stage in enumerate(network.stages[:-1]):
            found = forward(network, position, position + 1)(below)
            outputs |= {(stage.name, name): array for name, array in found.items()}
            known = outputs if given is None else given
            tensors = {name: array for (of, name), array in known.items() if of == stage.name}
            below = {name: array for name, array in tensors.items() if not name.startswith(TAP)}
        return outputs


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


LONGEST = 12
"""Layers with weights after which a stage is cut, where one tensor alone crosses the place."""


def cut_finely(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The same network in pieces that share its layers; the last piece of a stage keeps the stage's name."""
    pieces = []
    for stage in stages:
        cuts, below = _cuts(stage.model), dict(stage.model.input)
        for number, tensor in enumerate(cuts, start=1):
            above = {"x": tensor}
            pieces.append(Stage(f"{stage.name}, part {number}", between(below, above, stage.name)))
            below = above
        whole = dict(stage.model.output)
        pieces.append(Stage(stage.name, between(below, whole, stage.name)) if cuts else stage)
    return tuple(pieces)


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
