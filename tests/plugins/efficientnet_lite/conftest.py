"""Two photographs that come with scikit-learn, and the published weights where they are installed."""

import hashlib
import importlib.metadata
from pathlib import Path

import numpy as np
import pytest

from headstart.specs import BackboneRequest, TensorSpec
from headstart_plugins.efficientnet_lite import register_backbones


def photographs(size):
    """(2, size, size, 3) uint8: the middle squares of china.jpg and flower.jpg, nearest pixels."""
    from sklearn.datasets import load_sample_images

    pictures = np.stack(load_sample_images().images)
    side = min(pictures.shape[1:3])
    top, left = ((length - side) // 2 for length in pictures.shape[1:3])
    picked = (np.arange(size) * side + side // 2) // size
    return pictures[:, top : top + side, left : left + side][:, picked][:, :, picked]


def digest(pixels):
    """Says whether a JPEG decoder gave the same pixels."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def preprocessed(pixels):
    """What the published weights expect: (x - 127) / 128."""
    return (pixels.astype(np.float32) - 127) / 128


def installed_file(spec):
    """The published file of a spec, or None."""
    origin = spec.weights[0].origin
    try:
        return Path(importlib.metadata.distribution(origin.distribution).locate_file(origin.path))
    except importlib.metadata.PackageNotFoundError:
        return None


def joined(stages):
    """One Functional model of all stages."""
    import keras

    below = stages[0].model.input
    inputs = {name: keras.Input(tensor.shape[1:], name=name) for name, tensor in below.items()}
    tensors = inputs
    for stage in stages:
        tensors = stage.model(tensors)
    return keras.Model(inputs, tensors)


@pytest.fixture(params=register_backbones(), ids=lambda spec: spec.short_name, scope="session")
def spec(request):
    """Each of the three variants."""
    return request.param


@pytest.fixture(scope="session")
def weights_file(spec):
    """The published file of that variant."""
    path = installed_file(spec)
    if path is None:
        pytest.skip("the extra `lite` is not installed")
    return path


@pytest.fixture(scope="session")
def pixels(spec):
    """The photographs at the size of that variant."""
    return photographs(spec.preprocess["size"][0])


@pytest.fixture(scope="session")
def network(spec, weights_file):
    """(stages, whole): the variant with its published weights, and one model of all its stages."""
    from headstart.engine.network.stages import assign_arrays
    from headstart_plugins.efficientnet_lite import _build
    from headstart_plugins.efficientnet_lite._weights import load

    size = spec.preprocess["size"][0]
    request = BackboneRequest(spec.options(), {"image": TensorSpec((size, size, 3), "float32")})
    backbone = getattr(_build, spec.build.partition(":")[2])(request)
    assign_arrays(backbone.stages, load(weights_file, backbone), source=str(weights_file))
    return backbone.stages, joined(backbone.stages)


@pytest.fixture(scope="session")
def logits(network, weights_file, pixels):
    """(2, 1000) float32: our features with the published classifier on top."""
    from headstart.weights.torch_file import read_torch_file

    arrays = read_torch_file(weights_file)
    pooled = network[1].predict_on_batch({"image": preprocessed(pixels)})["pooled"]
    return pooled @ arrays["_fc.weight"].T + arrays["_fc.bias"]
