"""HED in Keras gives what torch computes from the file alone, and what the package's own code computed."""

import os

import numpy as np
import pytest
from recorded import digest, photographs, problems, recorded

from .conftest import MAPS, SPEC, answers, build

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

ON_JAX = [pytest.mark.slow] * (os.environ.get("KERAS_BACKEND") == "jax")
"""JAX compiles each network of each size."""
EDGE, BACKGROUND = 1, 0


def named(size):
    return f"{size[0]}x{size[1]}"


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() <= 1e-4 * max(1, expected.std())


def pooled(maps):
    """(batch, height, width, channel) to half of each side, rounded up: the largest of 2 x 2."""
    batch, height, width, channels = maps.shape
    even = np.pad(maps, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), constant_values=-np.inf)
    return even.reshape(batch, (height + 1) // 2, 2, (width + 1) // 2, 2, channels).max((2, 4))


def assert_all_close(file, pixels, **options):
    from hed_by_hand import outputs, preprocessed

    found, expected = answers(file, preprocessed(pixels), **options), outputs(file, pixels)
    for number, (stride, block, _) in enumerate(MAPS, 1):
        assert_close(found[f"map@{stride}"], expected[block])
        assert_close(found[f"side{number}"][..., [EDGE]], expected[f"side{number}"])
        assert not found[f"side{number}"][..., BACKGROUND].any()
    assert_close(found["map@32"], expected["block5 pooled"])
    assert_close(found["pooled"], expected["block5 pooled"].mean((1, 2)))
    assert_close(found["logits"][..., [EDGE]], expected["fused"])
    assert not found["logits"][..., BACKGROUND].any()
    return found


@pytest.mark.parametrize("size", [(64, 96), pytest.param((45, 70), marks=ON_JAX)], ids=named)
def test_a_small_file_gives_what_torch_computes_of_it_by_hand(small_file, size):
    pytest.importorskip("torch")
    assert_all_close(small_file, photographs(*size), **SPEC.tiny)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param((160, 96), marks=ON_JAX),
        pytest.param((150, 150), marks=pytest.mark.slow),
        pytest.param((224, 224), marks=pytest.mark.slow),
    ],
    ids=named,
)
def test_the_published_file_gives_what_the_packages_own_code_computed(weights_file, size):
    pytest.importorskip("torch")
    pixels = photographs(*size)
    found = assert_all_close(weights_file, pixels)
    stored = recorded("hed")
    if digest(pixels) != stored["pixels"][named(size)]:
        pytest.skip("this JPEG decoder gives other pixels than the one that the recorded outputs belong to")
    ours = {block: pooled(found[f"map@{stride}"]) for stride, block, _ in MAPS}
    ours["edges"] = 1 / (1 + np.exp(found["logits"][..., [BACKGROUND]] - found["logits"][..., [EDGE]]))
    expected = stored["outputs"][named(size)]
    assert {name: problems(ours[name], each) for name, each in expected.items()} == dict.fromkeys(ours)


def test_the_parts_that_the_spec_promises_are_there_at_any_size():
    from headstart.engine.network.stages import read_arrays, verify_composition

    stages = build(50, 65).stages
    by_name = {stage.name: stage.model for stage in stages}

    verify_composition(stages)
    assert tuple(by_name) == SPEC.stages
    assert sum(array.size for array in read_arrays(stages).values()) == SPEC.parameters
    for feature in SPEC.features:
        sides = () if feature.stride is None else (-(-50 // feature.stride), -(-65 // feature.stride))
        assert by_name[feature.stage].output[feature.tensor].shape == (None, *sides, feature.channels)
    strides = {feature.stride for feature in SPEC.features} - {None}
    assert strides == {1, 2, 4, 8, 16, 32}
