"""Reads torchvision's MobileNetV2: a torch state dict, brought to our names and layouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from headstart.engine.network.stages import weighted_layers
from headstart.specs import Backbone
from headstart_plugins._torch_layout import read_layers

FIRST_BLOCK = ("conv.0.0", "conv.0.1", "conv.1", "conv.2")
"""Filter and project; the first block expands nothing."""
BLOCK = ("conv.0.0", "conv.0.1", "conv.1.0", "conv.1.1", "conv.2", "conv.3")
"""Expand, filter, project."""
CLASSIFIER = frozenset({"classifier.1.weight", "classifier.1.bias"})


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The arrays of `file` under our names, kernels as Keras lays them out; the classifier is left out.

    Raises WrongWeightsError for a file that is not a plain state dict, or listing the arrays that differ.
    """
    return read_layers(file, backbone, dict(_layers(backbone)), left_out=CLASSIFIER)


def _layers(backbone: Backbone) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each stage, and the file's names of its weighted layers; the file counts stem, blocks and top in one row."""
    place = 0
    for stage in backbone.stages:
        if stage.name in ("stem", "top"):
            yield stage.name, (f"features.{place}.0", f"features.{place}.1")
            place += 1
            continue
        of_block = FIRST_BLOCK if stage.name == "block1" else BLOCK
        found = weighted_layers(stage.model)
        blocks = sum(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in found)  # each block has one
        yield stage.name, tuple(f"features.{place + block}.{part}" for block in range(blocks) for part in of_block)
        place += blocks
