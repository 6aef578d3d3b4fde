"""Put a network together: the input kind's stage, a backbone's stages, and the head that the task asks for; and give it
its weights: published ones, a file's, or calibrated random ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from headstart.engine.batch import bytes_a_row, rows_within, take
from headstart.engine.device import forward
from headstart.engine.network.blueprint import BackboneUse
from headstart.engine.network.lsuv_init import initialise
from headstart.engine.network.network import Network, choose_features
from headstart.engine.network.stages import (
    WRONG_FILE,
    assign_arrays,
    verify_composition,
    verify_names,
    without_draws,
)
from headstart.errors import DataError, PluginError, WrongWeightsError
from headstart.registry import Registry
from headstart.spans import span
from headstart.specs import (
    HEAD,
    INPUT,
    Backbone,
    BackboneRequest,
    BackboneSpec,
    FeatureSpec,
    InputKind,
    Stage,
    Task,
    TensorSpec,
    WeightsSpec,
)
from headstart.weights.source import load_arrays, load_head_arrays

OTHER_FEATURES = (
    "a head fits the features that it was trained on, under flatten those of one image size: read samples as then, or "
    "choose a new head"
)
TOLERANCE = 1e-3
PLAIN = TensorSpec((), "float32")
FEW_STEPS = 4
"""Steps of a map below which its stride cannot be told from its size."""
CALIBRATION_SAMPLES, FEWEST = 32, 2
"""Prepared samples that a first batch is checked, and random weights calibrated, on; fewer where they are large, see
`first_batch`, but never one, whose statistics tell nothing where a layer has one position."""


@span("building")
def build_backbone(
    spec: BackboneSpec, registry: Registry, *, options: Any, inputs: Mapping[str, TensorSpec]
) -> tuple[Stage, ...]:
    """Build `spec` for `inputs`, with weights that are to be replaced; checks that it keeps its word.

    Raises PluginError where it does not.
    """
    build = registry.load_target(spec, spec.build)
    backbone = without_draws(lambda: build(BackboneRequest(options=options, inputs=inputs)))
    stages: tuple[Stage, ...] = backbone.stages
    built = tuple(stage.name for stage in stages)
    if spec.stages is not None and built != spec.stages:
        raise PluginError(f"backbone {spec.name} declares stages {spec.stages} but built {built}")
    try:
        verify_names(stages)
    except ValueError as exc:
        raise PluginError(f"backbone {spec.name}: {exc}", hint="tell its author, or choose another backbone") from exc
    _verify_features(spec, stages, inputs, narrowed=options != spec.default_options())
    return stages


def _verify_features(
    spec: BackboneSpec, stages: Sequence[Stage], inputs: Mapping[str, TensorSpec], *, narrowed: bool
) -> None:
    """The declared channels are those of the default options; others (a narrower `tiny`) may give fewer."""
    by_name = {stage.name: stage for stage in stages}
    for feature in spec.features:
        outputs = by_name[feature.stage].model.output if feature.stage in by_name else {}
        given = outputs[feature.tensor].shape[-1] if feature.tensor in outputs else None
        if given is None or (feature.channels is not None and given != feature.channels and not narrowed):
            shapes = {name: tuple(tensor.shape) for name, tensor in outputs.items()}
            raise PluginError(
                f"backbone {spec.name}: feature {feature.name!r} should be tensor {feature.tensor!r} with "
                f"{feature.channels or 'some'} channels of stage {feature.stage!r}, which gives {shapes}"
            )
        if problem := _shape_problem(feature, outputs, inputs):
            raise PluginError(
                f"backbone {spec.name}: feature {feature.name!r} {problem}",
                hint="tell its author, or choose another backbone",
            )


def _shape_problem(feature: FeatureSpec, outputs: Mapping[str, Any], inputs: Mapping[str, TensorSpec]) -> str | None:
    """Where the built shape contradicts the declared axes, mask or stride; what only a run knows is not judged."""
    shape = tuple(outputs[feature.tensor].shape)
    if len(shape) != len(feature.axes):
        return f"declares the axes {', '.join(feature.axes)} and has the shape {shape}"
    if feature.mask is not None:
        mask = tuple(outputs[feature.mask].shape) if feature.mask in outputs else None
        if mask is None or mask != shape[: len(mask)]:
            return f"has the shape {shape}, and its mask {feature.mask!r} {mask or 'does not exist'}"
    pictures = [spec.shape[:2] for spec in inputs.values() if len(spec.shape) == 3]
    if feature.stride is None or len(pictures) != 1 or not {"height", "width"} <= set(feature.axes):
        return None
    for axis, length in zip(("height", "width"), pictures[0], strict=True):
        size = shape[feature.axes.index(axis)]
        # Convolutions without padding lose a margin, which outweighs the stride where few steps are left.
        is_known = size is not None and length is not None and size >= FEW_STEPS
        if is_known and not 0.5 < length / size / feature.stride < 2:
            return f"declares the stride {feature.stride}, but {length} of {axis} became {size}"
    return None


def build_alone(use: BackboneUse, registry: Registry) -> tuple[Stage, ...]:
    """The stages of `use`, with random weights whatever it names, at the size that the input kind's options say or the
    native one. Needs the backend to be set."""
    blueprint = use.blueprint(registry)
    inputs = backbone_inputs(blueprint.kind(registry))
    return build_backbone(use.spec, registry, options=blueprint.backbone_options, inputs=inputs)


def backbone_inputs(kind: InputKind) -> dict[str, TensorSpec]:
    """What the input kind's stage gives to the backbone, by name."""
    return {
        name: replace(kind.tensors.get(name, PLAIN), shape=tuple(tensor.shape[1:]), dtype=tensor.dtype)
        for name, tensor in kind.stage().output.items()
    }


@span("building")
def graft(
    kind: InputKind,
    backbone: Sequence[Stage],
    features: Sequence[FeatureSpec],
    *,
    task: Task,
    head: str,
    seed: int,
) -> Network:
    """The whole network; `features` are those that the head takes, `head` is as in `--head`, its weights drawn from
    `seed`."""
    by_name = {stage.name: stage for stage in backbone}
    taps = Network((), tuple(features)).taps
    shapes = {name: tuple(by_name[stage].model.output[tensor].shape) for name, (stage, tensor) in taps.items()}
    stages = (
        Stage(INPUT, kind.stage()),
        *backbone,
        Stage(HEAD, task.head(head, shapes, seed)),
    )
    verify_composition(stages[:-1])
    return Network(stages, tuple(features))


def without_head(
    kind: InputKind, backbone: Sequence[Stage], offered: Sequence[FeatureSpec], names: Sequence[str]
) -> Network:
    """A network that gives the features `names`, and their masks, as they are. Raises KeyError for one not offered."""
    features = choose_features(offered, names)
    by_name = {stage.name: stage for stage in backbone}
    stages = (Stage(INPUT, kind.stage()), *backbone)
    verify_composition(stages)
    given = {name: by_name[stage].model.output[tensor] for name, (stage, tensor) in Network((), features).taps.items()}
    entries = {name: keras.Input(x.shape[1:], dtype=x.dtype, name=name) for name, x in given.items()}
    return Network((*stages, Stage(HEAD, keras.Model(entries, entries))), features)


def first_batch(tensors: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Of the prepared samples `rows` among `tensors` (sample, ...) as many as `load_weights` takes. The same on every
    device, so that random weights are."""
    most = max(FEWEST, rows_within(bytes_a_row(tensors), CALIBRATION_SAMPLES))
    return take(tensors, rows[:most])


def verify_ranges(outputs: Mapping[str, np.ndarray], expected: Mapping[str, tuple[float, float]], *, hint: str) -> None:
    """Check preprocessed tensors (batch, ...) of a first batch against what the weights expect.

    Finite and inside the range; and not so narrow that they were scaled twice: the spread of a real batch is more than
    one part in a hundred of the range. Tensors of bools and integers are masks and ids: they may well be all the same.
    Raises DataError naming the tensor, the range seen and the range expected, with `hint`, the input kind's advice.
    """
    for name, (low, high) in expected.items():
        values = outputs[name]
        slack = TOLERANCE * (high - low)
        seen = (float(values.min()), float(values.max()))
        if not np.isfinite(values).all() or seen[0] < low - slack or seen[1] > high + slack:
            raise DataError(
                f"input tensor {name!r} has values from {seen[0]:.4g} to {seen[1]:.4g} after preprocessing; the "
                f"backbone's weights expect {low:.4g} to {high:.4g}",
                hint="the preprocessing in the weights' spec or the input kind scales something twice",
            )
        if np.issubdtype(values.dtype, np.floating) and seen[1] - seen[0] < 0.01 * (high - low):
            raise DataError(
                f"input tensor {name!r} hardly varies: {seen[0]:.4g} to {seen[1]:.4g} of {low:.4g} to {high:.4g}",
                hint=hint,
            )


@span("loading weights")
def load_weights(
    network: Network,
    samples: Mapping[str, np.ndarray],
    kind: InputKind,
    *,
    spec: BackboneSpec,
    source: WeightsSpec | Path | None,
    registry: Registry,
    seed: int = 0,
) -> None:
    """Set the weights of the backbone `spec` in `network` from `source`, None for random ones of `seed`.

    A first batch of prepared `samples` (sample, ...) is checked against what the weights expect. Raises DataError where
    it is not so, MissingWeightsError and WrongWeightsError as `load_arrays` does.
    """
    stages = network.backbone
    batch = forward(network, 0, 1)(samples)
    verify_ranges(batch, kind.output_ranges, hint=kind.hint)
    if source is None:
        initialise(stages, batch, seed, features=spec.features)
        return
    name = source.name if isinstance(source, WeightsSpec) else str(source)
    arrays = load_arrays(source, spec, backbone=Backbone(stages), registry=registry)
    assign_finite(stages, arrays, name, WRONG_FILE)


def load_head(network: Network, spec: BackboneSpec, weights: WeightsSpec, registry: Registry) -> None:
    """Set the head's weights from those that come with `weights`. Raises as `load_arrays` does."""
    head, name = network.stages[-1], f"the head of {weights.name}"
    arrays = load_head_arrays(weights, spec, head=head, registry=registry)
    assign_finite([head], arrays, name, OTHER_FEATURES)


def assign_finite(stages: Sequence[Stage], arrays: Mapping[str, np.ndarray], source: str, hint: str) -> None:
    """Set the weights of `stages`. Raises as `assign_arrays` does, and WrongWeightsError naming the first array that
    holds what is no finite number."""
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(np.sum(array, dtype=np.float64)):
            raise WrongWeightsError(
                f"{source}: {name} holds values that are not finite", hint="get another copy of the weights"
            )
    assign_arrays(stages, arrays, source=source, hint=hint)
