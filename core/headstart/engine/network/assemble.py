"""Put a network together: the input kind's stage, a backbone's stages, and the head that the task asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.engine.network.network import Network, choose_features
from headstart.engine.network.stages import verify_composition, verify_names
from headstart.errors import DataError, PluginError
from headstart.specs import HEAD, INPUT, BackboneRequest, BackboneSpec, FeatureSpec, InputKind, Stage, Task

if TYPE_CHECKING:
    from headstart.registry import Registry

TOLERANCE = 1e-3


def build_backbone(
    spec: BackboneSpec, registry: Registry, *, options: Any, inputs: Mapping[str, tuple[int, ...]]
) -> tuple[Stage, ...]:
    """Build `spec` with random weights for `inputs` (shapes without the batch axis); checks that it keeps its word."""
    backbone = registry.load_target(spec, spec.build)(BackboneRequest(options=options, inputs=inputs))
    stages: tuple[Stage, ...] = backbone.stages
    built = tuple(stage.name for stage in stages)
    if spec.stages is not None and built != spec.stages:
        raise PluginError(f"backbone {spec.name} declares stages {spec.stages} but built {built}")
    try:
        verify_names(stages)
    except ValueError as exc:
        raise PluginError(f"backbone {spec.name}: {exc}", hint="tell its author, or choose another backbone") from exc
    _verify_features(spec, stages, narrowed=options != spec.default_options())
    return stages


def _verify_features(spec: BackboneSpec, stages: Sequence[Stage], *, narrowed: bool) -> None:
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


def graft(
    kind: InputKind,
    backbone: Sequence[Stage],
    offered: Sequence[FeatureSpec],
    *,
    task: Task,
    head: str,
    seed: int,
) -> Network:
    """The whole network; `head` as in `--head`, its weights drawn from `seed`."""
    features = choose_features(offered, (task.feature,))
    shapes = {feature.name: _shape(backbone, feature) for feature in features}
    stages = (
        Stage(INPUT, kind.stage()),
        *backbone,
        Stage(HEAD, task.head(head, shapes, seed)),
    )
    verify_composition(stages[:-1])
    return Network(stages, features)


def _shape(backbone: Sequence[Stage], feature: FeatureSpec) -> tuple[int | None, ...]:
    (stage,) = (stage for stage in backbone if stage.name == feature.stage)
    return tuple(stage.model.output[feature.tensor].shape)


def verify_ranges(outputs: Mapping[str, np.ndarray], expected: Mapping[str, tuple[float, float]]) -> None:
    """Check preprocessed tensors (batch, ...) of a first batch against what the weights expect.

    Finite and inside the range; and not so narrow that they were scaled twice: the spread of a real batch is more than
    one part in a hundred of the range. Raises DataError naming the tensor, the range seen and the range expected.
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
        if seen[1] - seen[0] < 0.01 * (high - low):
            raise DataError(
                f"input tensor {name!r} hardly varies: {seen[0]:.4g} to {seen[1]:.4g} of {low:.4g} to {high:.4g}",
                hint="were the pictures scaled to 0..1 before? Give them as 0..255; nothing else may scale them",
            )
