"""Backbones of sounds with their weights and their own reading, as a run has them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class SoundNetwork:
    """The input kind, its stage, and the stages of the backbone."""

    kind: Any
    stages: tuple

    def run(self, samples, rate=16_000):
        """What each stage gives for the rows of a recording, by stage and tensor; the first stage is "input"."""
        from headstart.testing.backbones.network import run_stages

        rows = self.kind.prepare_several(self.kind.read((samples, rate), "a sound"))
        tensors = {name: np.stack([row.tensors[name] for row in rows]) for name in self.kind.tensors}
        return run_stages(self.stages, tensors)


def sound_network(registry, reference, **options):
    """The network that `reference` names; `options` are its input kind's. Skips where its weights are not here."""
    from headstart.engine.network.assemble import build_backbone
    from headstart.engine.network.stages import assign_arrays
    from headstart.errors import MissingWeightsError
    from headstart.specs import INPUT, Backbone, InputRequest, Stage
    from headstart.weights.source import load_arrays, locate

    spec = registry.resolve_backbone(reference)
    try:
        locate(spec, spec.weights[0], registry)
    except MissingWeightsError as exc:
        pytest.skip(f"{exc.message}: `headstart weights get {reference}` brings them")
    made = registry.input_for(spec)
    kind = registry.load_target(made, made.build)(InputRequest(spec.weights[0].preprocess, made.options(**options)))
    stage = kind.stage()
    stages = build_backbone(spec, registry, options=spec.default_options(), inputs=_specs(stage.output))
    arrays = load_arrays(spec.weights[0], spec, backbone=Backbone(stages), registry=registry)
    assign_arrays(stages, arrays, source=spec.name)
    return SoundNetwork(kind, (Stage(INPUT, stage), *stages))


def _specs(outputs):
    from headstart.specs import TensorSpec

    return {name: TensorSpec(tuple(tensor.shape[1:]), tensor.dtype) for name, tensor in outputs.items()}


def assert_close(ours, reference):
    """The rule of this project for equal numbers."""
    deviation = reference.std()
    assert deviation > 0.01
    np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-4 * max(1.0, deviation))
