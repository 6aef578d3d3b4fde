"""Reads the published EfficientNet-Lite files: a torch state dict, brought to our names and layouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from headstart.engine.network.stages import name_variables, weighted_layers, wrong_weights
from headstart.specs import Backbone
from headstart.weights.torch_file import read_torch_file

EXPAND = ("_expand_conv", "_bn0")
FILTER_AND_PROJECT = ("_depthwise_conv", "_bn1", "_project_conv", "_bn2")
ENDS: Mapping[str, tuple[str, ...]] = {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1")}
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
    wanted = dict(_sources(backbone))
    arrays = {name: _as_keras(found[source], source) for name, source in wanted.items() if source in found}
    shapes = {name: tuple(variable.shape) for name, variable in name_variables(backbone.stages).items()}
    known = {*wanted.values(), *CLASSIFIER}
    problems = [f"missing {source}" for source in wanted.values() if source not in found]
    problems += [f"unexpected {name}" for name in found if name not in known and not name.endswith(COUNTER)]
    problems += [
        f"{wanted[name]} has shape {array.shape} in our layout, expected {shapes[name]}"
        for name, array in arrays.items()
        if array.shape != shapes[name]
    ]
    if problems:
        raise wrong_weights(str(file), problems)
    return arrays


def _sources(backbone: Backbone) -> Iterator[tuple[str, str]]:
    """(our name, the file's name) of every weight, bottom first; the file counts blocks through all stages."""
    first = 0
    for stage in backbone.stages:
        found = list(weighted_layers(stage.model))
        if stage.name in ENDS:
            parts = ENDS[stage.name]
        else:
            of_block = FILTER_AND_PROJECT if stage.name == "block1" else EXPAND + FILTER_AND_PROJECT
            blocks = sum(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in found)  # each block has one
            parts = tuple(f"_blocks.{first + block}.{part}" for block in range(blocks) for part in of_block)
            first += blocks
        for index, (layer, part) in enumerate(zip(found, parts, strict=True)):
            if isinstance(layer, keras.layers.BatchNormalization):
                for ours, theirs in NORM_ROLES.items():
                    yield f"{stage.name}/{index}/{ours}", f"{part}.{theirs}"
            else:
                yield f"{stage.name}/{index}/kernel", f"{part}.weight"


def _as_keras(array: np.ndarray, source: str) -> np.ndarray:
    """One array in Keras' layout, float32 and contiguous."""
    if array.ndim == 4:
        axes = DEPTHWISE_AXES if source.endswith("_depthwise_conv.weight") else KERNEL_AXES
        array = array.transpose(axes)
    return np.ascontiguousarray(array, dtype=np.float32)
