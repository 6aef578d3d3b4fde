"""Two photographs that come with scikit-learn, and the published weights where they are installed."""

import hashlib
import importlib.metadata
from pathlib import Path

import numpy as np
import pytest

from headstart_plugins.efficientnet_lite import register_backbones


def photographs(size):
    """(2, size, size, 3) uint8: the middle square of china.jpg and flower.jpg, nearest pixels, so numpy alone."""
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


@pytest.fixture(
    params=sorted(register_backbones(), key=lambda spec: spec.name), ids=lambda spec: spec.short_name
)
def spec(request):
    """Each of the three variants."""
    return request.param


@pytest.fixture
def weights_file(spec):
    """The published file of that variant."""
    path = installed_file(spec)
    if path is None:
        pytest.skip("the extra `lite` is not installed")
    return path


@pytest.fixture
def pixels(spec):
    """The photographs at the size of that variant."""
    return photographs(spec.preprocess["size"][0])
