"""MobileNetV2 in Keras computes what torch and `transformers` compute with the published weights, stage by stage."""

import os

import numpy as np
import pytest
from recorded import digest, photographs, problems, recorded

from .conftest import SPEC, build, by_hand

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

ON_JAX = [pytest.mark.slow] * (os.environ.get("KERAS_BACKEND") == "jax")
"""JAX compiles each network of each size."""
SIZES = [(160, 96), pytest.param((224, 224), marks=ON_JAX), pytest.param((150, 150), marks=ON_JAX)]
PALACE = 698
"""ImageNet's nearest class to china.jpg."""


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() <= 1e-4 * max(1, expected.std())


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_stage_equals_torch_by_hand_and_transformers_as_recorded(outputs, weights_file, size):
    pytest.importorskip("torch")
    pixels = photographs(*size)
    found = outputs(pixels)
    expected, logits = by_hand(weights_file, pixels)

    assert list(expected) == list(SPEC.stages)
    for stage in SPEC.stages:
        assert_close(found[stage], expected[stage])
    if size == (224, 224):
        assert logits[0].argmax() == PALACE
    stored, name = recorded("mobilenet_v2"), f"{size[0]}x{size[1]}"
    if digest(pixels) != stored["pixels"][name]:
        pytest.skip("this JPEG decoder gives other pixels than the one that the recorded outputs belong to")
    assert {stage: problems(found[stage], stored["outputs"][name][stage]) for stage in SPEC.stages} == dict.fromkeys(
        SPEC.stages
    )


def test_the_parts_that_the_spec_promises_are_there():
    from headstart.engine.network.stages import read_arrays, verify_composition

    stages = build(224, 224).stages
    by_name = {stage.name: stage.model for stage in stages}

    verify_composition(stages)
    assert tuple(by_name) == SPEC.stages
    assert sum(array.size for array in read_arrays(stages).values()) == SPEC.parameters
    for feature in SPEC.features:
        side = () if feature.stride is None else (224 // feature.stride,) * 2
        assert by_name[feature.stage].output[feature.tensor].shape == (None, *side, feature.channels)


def test_an_odd_side_gives_its_half_rounded_up():
    stages = build(75, 50, **SPEC.tiny).stages

    assert [stage.model.output["x"].shape[1:3] for stage in stages[:4]] == [(38, 25), (38, 25), (19, 13), (10, 7)]


def test_new_weights_have_the_scale_that_keeps_gradients():
    from headstart.engine.network.stages import read_arrays

    kernel = read_arrays(build(32, 32, depth=0.1).stages)["top/0/kernel"]

    assert kernel.std() == pytest.approx(np.sqrt(2 / kernel.shape[-1]), rel=0.02)
