"""Backbones of folders, filled and run as a run does it."""

import numpy as np
import pytest


def _filled(spec, registry, **options):
    from headstart.engine.network.assemble import build_backbone
    from headstart.engine.network.stages import assign_arrays
    from headstart.specs import Backbone, TensorSpec
    from headstart.weights.source import load_arrays

    time = spec.preprocess["length"]
    inputs = {"ids": TensorSpec((time,), "int32"), "types": TensorSpec((time,), "int32")}
    chosen = spec.options(**{**spec.given, **options})
    stages = build_backbone(spec, registry, options=chosen, inputs={**inputs, "mask": TensorSpec((time,), "bool")})
    arrays = load_arrays(spec.weights[0], spec, backbone=Backbone(stages), registry=registry)
    assign_arrays(stages, arrays, source=spec.name)
    return stages


def _states(stages, ids, mask, types=None):
    """Of each stage the tokens (row, time, width), and the pooled features (row, width)."""
    from headstart.testing.backbones.network import run_stages

    tensors = {"ids": ids, "types": np.zeros_like(ids) if types is None else types, "mask": mask}
    outputs = run_stages(stages, tensors)
    return [outputs[stage.name, "x"] for stage in stages], outputs["pool", "pooled"]


@pytest.fixture(scope="module")
def registry():
    from headstart.registry import load_registry

    return load_registry()


@pytest.fixture
def filled(registry):
    """The stages of a spec with its weights."""
    return lambda spec, **options: _filled(spec, registry, **options)


@pytest.fixture
def states():
    """What stages give for ids and mask."""
    return _states


def _assert_close(ours, reference):
    deviation = reference.std()
    assert deviation > 0.01
    np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-4 * max(1.0, deviation))


@pytest.fixture
def assert_close():
    """The rule of this project for equal numbers."""
    return _assert_close
