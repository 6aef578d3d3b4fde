"""State dicts of torch brought to our names and layouts: networks of convolutions without bias, each normalised."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from headstart.engine.network.stages import name_variables, weighted_layers, wrong_weights
from headstart.specs import Backbone, Stage
from headstart.weights.torch_file import read_torch_file

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


def read_layers(
    file: Path, backbone: Backbone, layers: Mapping[str, Sequence[str]], *, left_out: Container[str]
) -> Mapping[str, np.ndarray]:
    """The arrays of `file` under our names, float32, kernels as Keras lays them out.

    `layers` are the file's names of the weighted layers of each stage, in order; `left_out` its entries that have no
    place in the backbone. Raises WrongWeightsError for a file that is not a plain state dict, or listing the arrays
    that differ.
    """
    found = read_torch_file(file)
    wanted = {name: entry for stage in backbone.stages for name, entry in _entries(stage, layers[stage.name])}
    variables = name_variables(backbone.stages)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    arrays = {name: _as_keras(found[entry], axes) for name, (entry, axes) in wanted.items() if entry in found}
    known = {entry for entry, _ in wanted.values()}
    problems = [f"missing {entry}" for entry, _ in wanted.values() if entry not in found]
    problems += [
        f"unexpected {name}"
        for name in found
        if name not in known and name not in left_out and not name.endswith(COUNTER)
    ]
    problems += [
        f"{wanted[name][0]} has shape {array.shape} in our layout, expected {shapes[name]}"
        for name, array in arrays.items()
        if array.shape != shapes[name]
    ]
    if problems:
        raise wrong_weights(str(file), problems)
    return arrays


def _entries(stage: Stage, layers: Sequence[str]) -> Iterator[tuple[str, tuple[str, tuple[int, ...] | None]]]:
    """Our name of each weight of a stage; the file's, and the axes of a kernel there."""
    for index, (layer, name) in enumerate(zip(weighted_layers(stage.model), layers, strict=True)):
        if isinstance(layer, keras.layers.BatchNormalization):
            for ours, theirs in NORM_ROLES.items():
                yield f"{stage.name}/{index}/{ours}", (f"{name}.{theirs}", None)
        else:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            yield f"{stage.name}/{index}/kernel", (f"{name}.weight", DEPTHWISE_AXES if depthwise else KERNEL_AXES)


def _as_keras(array: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """One array in Keras' layout, float32 and contiguous; one with other axes than expected stays as it is."""
    if axes is not None and array.ndim == len(axes):
        array = array.transpose(axes)
    return np.ascontiguousarray(array, dtype=np.float32)
