"""The published weights where they are installed, and MobileNetV2 written out in torch from them alone."""

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest

from headstart.specs import BackboneRequest, TensorSpec
from headstart_plugins.mobilenet_v2 import register_backbones

(SPEC,) = register_backbones()
MEAN, DEVIATION = np.float32((0.485, 0.456, 0.406)), np.float32((0.229, 0.224, 0.225))
ENDS = {"block1": 1, "block2": 3, "block3": 6, "block4": 10, "block5": 13, "block6": 16, "block7": 17}
"""The last of torchvision's `features` in each of our stages."""


def preprocessed(pixels):
    """What torchvision's weights expect."""
    return (pixels.astype(np.float32) / 255 - MEAN) / DEVIATION


def build(*sides, **options):
    from headstart_plugins.mobilenet_v2._build import mobilenet_v2

    request = BackboneRequest(SPEC.options(**options), {"image": TensorSpec((*sides, 3), "float32")})
    return mobilenet_v2(request)


@pytest.fixture(scope="session")
def weights_file():
    """The published file."""
    origin = SPEC.weights[0].origin
    try:
        return Path(importlib.metadata.distribution(origin.distribution).locate_file(origin.path))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{origin.distribution} is not installed; the Makefile has its line")


@pytest.fixture(scope="session")
def outputs(weights_file):
    """What each stage gives with the published weights: `pixels` (batch, height, width, 3) uint8 to arrays by stage."""
    import keras

    from headstart.engine.network.stages import assign_arrays
    from headstart_plugins.mobilenet_v2._weights import load

    def compute(pixels):
        backbone = build(*pixels.shape[1:3])
        assign_arrays(backbone.stages, load(weights_file, backbone), source=str(weights_file))
        tensors = inputs = {"image": keras.Input(pixels.shape[1:], name="image")}
        found = {}
        for stage in backbone.stages:
            tensors = stage.model(tensors)
            found[stage.name] = tensors["pooled" if stage.name == "top" else "x"]
        return keras.Model(inputs, found).predict_on_batch({"image": preprocessed(pixels)})

    return compute


def by_hand(file, pixels):
    """The same in torch, written out from the file's arrays and the paper's table 2; and torchvision's logits."""
    import torch
    from torch.nn import functional

    arrays = torch.load(str(file), weights_only=True)

    def layer(x, name, norm, stride=1):
        kernel = arrays[f"{name}.weight"]
        groups = x.shape[1] if kernel.shape[1] == 1 else 1
        x = functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2, groups=groups)
        roles = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(arrays[f"{norm}.{role}"] for role in roles), eps=1e-5)

    def block(x, place, stride):
        name = f"features.{place}.conv"
        y, first = x, 0
        if place > 1:
            y, first = functional.relu6(layer(y, f"{name}.0.0", f"{name}.0.1")), 1
        y = functional.relu6(layer(y, f"{name}.{first}.0", f"{name}.{first}.1", stride))
        y = layer(y, f"{name}.{first + 1}", f"{name}.{first + 2}")
        return x + y if stride == 1 and x.shape == y.shape else y

    found = {}
    with torch.no_grad():
        x = torch.from_numpy(preprocessed(pixels).transpose(0, 3, 1, 2).copy())
        found["stem"] = x = functional.relu6(layer(x, "features.0.0", "features.0.1", 2))
        for place in range(1, 18):
            x = block(x, place, 2 if place in (2, 4, 7, 14) else 1)
            found |= {stage: x for stage, end in ENDS.items() if end == place}
        x = functional.relu6(layer(x, "features.18.0", "features.18.1"))
        pooled = x.mean((2, 3))
        logits = pooled @ arrays["classifier.1.weight"].T + arrays["classifier.1.bias"]
    maps = {stage: tensor.permute(0, 2, 3, 1).numpy() for stage, tensor in found.items()}
    return {**maps, "top": pooled.numpy()}, logits.numpy()
