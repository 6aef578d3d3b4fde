"""NanoDet in Keras gives what the graph of its file gives, run operation by operation."""

import os

import numpy as np
import pytest
from recorded import digest, photographs, problems, recorded

from headstart.errors import UsageError

from .conftest import MAPS, SPEC, answers, build, preprocessed

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

ON_JAX = [pytest.mark.slow] * (os.environ.get("KERAS_BACKEND") == "jax")
"""JAX compiles each network of each size."""


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() <= 1e-4 * max(1, expected.std())


@pytest.mark.parametrize(
    "size", [(64, 96), pytest.param((128, 32), marks=ON_JAX)], ids=lambda size: f"{size[0]}x{size[1]}"
)
def test_a_small_file_gives_what_its_own_graph_does(small_file, size):
    pytest.importorskip("torch")
    from nanodet_graph import logits

    pixels = preprocessed(photographs(*size))
    found, expected = answers(small_file, pixels, **SPEC.tiny), logits(small_file.with_suffix(".json"), pixels)

    assert set(found) == set(expected)
    for name, each in expected.items():
        assert_close(found[name], each)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(416, 416), (160, 224)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_published_file_gives_what_its_own_graph_does_on_photographs(weights_file, size):
    pytest.importorskip("torch")
    from nanodet_graph import logits

    pixels = photographs(*size)
    found = answers(weights_file, preprocessed(pixels))
    expected = logits(weights_file.with_suffix(".json"), preprocessed(pixels))
    stored, name = recorded("nanodet"), f"{size[0]}x{size[1]}"

    for part, each in expected.items():
        assert_close(found[part], each)
    if digest(pixels) != stored["pixels"][name]:
        pytest.skip("this JPEG decoder gives other pixels than the one that the recorded outputs belong to")
    assert {part: problems(found[part], stored["outputs"][name][part]) for part in found} == dict.fromkeys(found)


def test_the_parts_that_the_spec_promises_are_there():
    from headstart.engine.network.stages import read_arrays, verify_composition

    stages = build(96, 64).stages
    by_name = {stage.name: stage.model for stage in stages}

    verify_composition(stages)
    assert tuple(by_name) == SPEC.stages
    assert sum(array.size for array in read_arrays(stages).values()) == SPEC.parameters
    for feature in SPEC.features:
        sides = () if feature.stride is None else (96 // feature.stride, 64 // feature.stride)
        assert by_name[feature.stage].output[feature.tensor].shape == (None, *sides, feature.channels)
    assert {feature.name for feature in SPEC.features} == {"pooled", *MAPS}


def test_sides_at_which_maps_would_not_double_are_refused():
    with pytest.raises(UsageError, match="sides that are multiples of 32 pixels, not 64 x 100") as caught:
        build(64, 100, **SPEC.tiny)
    assert "--image-size 416" in caught.value.hint
