"""Reads NanoDet's published graph: its convolutions, which are called by the same names here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from headstart.engine.network.stages import weighted_layers, wrong_weights
from headstart.specs import Backbone, Stage
from headstart_plugins.nanodet import CLASSES
from headstart_plugins.nanodet._tfjs import GraphModel, read_graph_model

HEAD = ("convolution_29", "convolution_31", "convolution_33")
"""The last convolution of each map, fine to coarse: scores of the classes first, then the sides of boxes."""
SCOPE = "PartitionedCall/"
"""Before every name of an operation."""

Convolution = tuple[np.ndarray, np.ndarray]
"""A kernel (height, width, in, out) and a bias (out,), float32."""


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The arrays of `file` under our names; those of the head are left out.

    Raises WrongWeightsError for a file that is no such graph, or listing the convolutions that differ.
    """
    found = _convolutions(read_graph_model(file))
    wanted = {
        f"{stage.name}/{index}": layer
        for stage in backbone.stages
        for index, layer in enumerate(weighted_layers(stage.model))
    }
    names = {place: layer.name for place, layer in wanted.items()}
    problems = [f"missing {name}" for name in names.values() if name not in found]
    problems += [f"unexpected {name}" for name in found if name not in names.values() and name not in HEAD]
    return _fitting(file, wanted, {place: found[name] for place, name in names.items() if name in found}, problems)


def load_head(file: Path, head: Stage) -> Mapping[str, np.ndarray]:
    """The arrays of `file` for a head of one 1 x 1 convolution a map for classes and one for sides, where the file has
    one for both. They are told apart by their channels and the sizes of their maps, for Keras orders the layers of
    parallel branches by the names of inputs. Raises WrongWeightsError as `load` does."""
    found = _convolutions(read_graph_model(file))
    if missing := [f"missing {name}" for name in HEAD if name not in found]:
        raise wrong_weights(str(file), missing)
    wanted = {f"{head.name}/{index}": layer for index, layer in enumerate(weighted_layers(head.model))}
    fine_to_coarse = sorted(wanted, key=lambda place: -wanted[place].output.shape[1])
    scoring = [place for place in fine_to_coarse if wanted[place].kernel.shape[-1] == len(CLASSES)]
    siding = [place for place in fine_to_coarse if place not in scoring]
    if (len(scoring), len(siding)) != (len(HEAD), len(HEAD)):
        problem = f"{len(scoring)} convolutions for {len(CLASSES)} classes and {len(siding)} others, expected 3 and 3"
        raise wrong_weights(str(file), [problem])
    given = {
        place: (kernel[..., columns], bias[columns])
        for places, columns in ((scoring, slice(len(CLASSES))), (siding, slice(len(CLASSES), None)))
        for place, (kernel, bias) in zip(places, (found[name] for name in HEAD), strict=True)
    }
    return _fitting(file, wanted, given, [])


def _convolutions(graph: GraphModel) -> dict[str, Convolution]:
    """Each convolution of the graph by its name: the kernel that it is given, and what is added to what it gives."""
    added = {node.inputs[0]: node.inputs[1] for node in graph.nodes.values() if node.operation == "Add"}
    named = {
        name.removeprefix(SCOPE): (node.inputs[1], added.get(name))
        for name, node in graph.nodes.items()
        if node.operation == "Conv2D"
    }
    return {
        name: (graph.arrays[kernel], graph.arrays[bias])
        for name, (kernel, bias) in named.items()
        if kernel in graph.arrays and bias in graph.arrays
    }


def _fitting(
    file: Path, wanted: Mapping[str, keras.Layer], given: Mapping[str, Convolution], problems: Sequence[str]
) -> dict[str, np.ndarray]:
    """The arrays of `given` by the names of their weights. Raises WrongWeightsError with `problems`, and where shapes
    are not those of the layers that are `wanted`."""
    others = [
        f"{wanted[place].name} has kernel {kernel.shape} and bias {bias.shape}, expected {shape} and {shape[-1:]}"
        for place, (kernel, bias) in given.items()
        for shape in [tuple(wanted[place].kernel.shape)]
        if (kernel.shape, bias.shape) != (shape, shape[-1:])
    ]
    if problems or others:
        raise wrong_weights(str(file), [*problems, *others])
    kernels = {f"{place}/kernel": np.ascontiguousarray(kernel) for place, (kernel, _) in given.items()}
    return kernels | {f"{place}/bias": np.ascontiguousarray(bias) for place, (_, bias) in given.items()}
