"""What a backbone looks like: a row a stage, read from the built network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np

from headstart.engine.network.assemble import backbone_inputs, build_backbone
from headstart.engine.network.stages import name_variables
from headstart.specs import BackboneSpec, InputRequest, Stage

if TYPE_CHECKING:
    from headstart.registry import Registry


@dataclass(frozen=True)
class StageSummary:
    """One stage: how many layers and numbers it has, and the shapes (batch first) of what it gives."""

    stage: str
    layers: int
    parameters: int
    trainable: int
    outputs: Mapping[str, tuple[int | None, ...]]


def summarise(spec: BackboneSpec, registry: Registry) -> tuple[StageSummary, ...]:
    """Build `spec` at its native size with random weights and describe its stages. Needs the backend to be set."""
    reading = registry.input_kind(takes=spec.takes)
    options = reading.options()
    kind = registry.load_target(reading, reading.build)(InputRequest(spec.preprocess, options))
    stages = build_backbone(spec, registry, options=spec.default_options(), inputs=backbone_inputs(kind))
    return tuple(summarise_stage(stage) for stage in stages)


def summarise_stage(stage: Stage) -> StageSummary:
    """Describe one built stage."""
    variables = name_variables([stage]).values()
    return StageSummary(
        stage=stage.name,
        layers=sum(not isinstance(layer, keras.layers.InputLayer) for layer in stage.model.layers),
        parameters=_count(variables),
        trainable=_count([variable for variable in variables if variable.trainable]),
        outputs={name: tuple(tensor.shape) for name, tensor in stage.model.output.items()},
    )


def uncuttable(stages: Sequence[Stage]) -> tuple[str, ...]:
    """Composite layers, as `stage: layer (type)`: nothing can be cut or lowered inside them."""
    return tuple(
        f"{stage.name}: {layer.name} ({type(layer).__name__})"
        for stage in stages
        for layer in stage.model.layers
        if not isinstance(layer, keras.Model) and list(layer._flatten_layers(include_self=False))
    )


def _count(variables: Iterable[keras.Variable]) -> int:
    return sum(int(np.prod(variable.shape)) for variable in variables)
