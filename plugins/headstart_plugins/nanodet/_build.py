"""Builds NanoDet in Keras, stage by stage, as its published graph has it.

Every convolution has a bias, in which its norm is folded, and is called as in the file. Compared with that graph, run
operation by operation from the file itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from headstart.engine.lowering.applied import Lowered
from headstart.errors import UsageError
from headstart.specs import Backbone, BackboneRequest, Stage
from headstart_plugins._mobile_networks import FanOutNormal, round_filters
from headstart_plugins.nanodet import NanoDetOptions

SLOPE = 0.1
"""Of every LeakyReLU."""
COARSEST = 32
"""Stride of the last map. Sides are multiples of it, so that maps double from one to the next."""
STEM, NECK = 32, 128


@dataclass(frozen=True)
class _Block:
    """`first` is the number of its first convolution in the file, `step` that one's stride, `stride` that of what it
    gives."""

    name: str
    first: int
    pairs: int
    filters: int
    step: int
    stride: int


BLOCKS = (
    _Block("block1", first=1, pairs=1, filters=32, step=1, stride=4),
    _Block("block2", first=5, pairs=2, filters=64, step=2, stride=8),
    _Block("block3", first=11, pairs=2, filters=128, step=2, stride=16),
    _Block("block4", first=17, pairs=3, filters=256, step=2, stride=32),
)
PASSED = ("x8", "x16")
"""What the neck needs of lower blocks, and those above pass on."""
TOWERS = {"map8": 28, "map16": 30, "map32": 32}
"""Numbers in the file of each map's last convolution but the head's, which has those between."""


def nanodet(request: BackboneRequest) -> Backbone:
    """Input `image` (batch, height, width, 3) float32, preprocessed. Outputs `pooled` (batch, 512), from below the
    neck, and `map8`, `map16` and `map32` (batch, height / stride, width / stride, 128).

    Raises UsageError where a side is no multiple of 32.
    """
    options: NanoDetOptions = request.options
    height, width, channels = request.inputs["image"].shape
    if height % COARSEST or width % COARSEST:
        raise UsageError(
            f"NanoDet takes sides that are multiples of {COARSEST} pixels, not {height} x {width}",
            hint="--image-size 416, or another multiple of 32",
        )
    image = keras.Input((height, width, channels), name="image")
    tensors = {"x4": _stem(image, round_filters(STEM, options.width))}
    stages = [Stage("stem", keras.Model({"image": image}, tensors, name="stem"))]
    for block in BLOCKS:
        given = _inputs(tensors)
        source = given[f"x{block.stride // block.step}"]
        x = _block(source, block, round_filters(block.filters, options.width))
        tensors = {name: tensor for name, tensor in given.items() if name in PASSED} | {f"x{block.stride}": x}
        if block is BLOCKS[-1]:
            tensors["pooled"] = layers.GlobalAveragePooling2D()(x)
        stages.append(Stage(block.name, keras.Model(given, tensors, name=block.name)))
    given = _inputs({name: tensor for name, tensor in tensors.items() if name != "pooled"})
    maps = _neck(given, round_filters(NECK, options.width))
    stages.append(Stage("neck", keras.Model(given, maps, name="neck")))
    given = _inputs(maps)
    towers = {name: _convolved(each, TOWERS[name], each.shape[-1]) for name, each in given.items()}
    stages.append(Stage("towers", keras.Model(given, towers, name="towers")))
    return Backbone(tuple(stages))


def _inputs(tensors: Mapping[str, keras.KerasTensor]) -> dict[str, keras.KerasTensor]:
    """What the next stage is given."""
    return {name: keras.Input(tensor.shape[1:], name=name) for name, tensor in tensors.items()}


@keras.saving.register_keras_serializable(package="headstart_nanodet")
class LowestPaddedPooling2D(layers.Layer):  # type: ignore[misc]  # keras ships no complete types
    """(batch, height, width, channel) to half of each side: the largest of 3 x 3 at every other place, with minus
    infinity around, which loses against every number; zeros would win against what LeakyReLU leaves below them."""

    def call(self, inputs: Any) -> Any:
        """See the class."""
        padded = keras.ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-math.inf)
        return keras.ops.max_pool(padded, 3, strides=2)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Half of height and width, rounded up."""
        batch, height, width, channels = input_shape
        return (batch, *(None if side is None else (side + 1) // 2 for side in (height, width)), channels)

    def lower(self, lower_layer: Callable[[keras.Layer], keras.Layer]) -> keras.Layer | None:
        """PyTorch's pooling pads so by itself, without a copy."""
        return _PooledByTorch(self) if keras.backend.backend() == "torch" else None


class _PooledByTorch(Lowered):
    """The same on the layer's own memory."""

    def call(self, inputs: Any) -> Any:
        """See `LowestPaddedPooling2D`."""
        from torch.nn import functional

        return functional.max_pool2d(inputs.permute(0, 3, 1, 2), 3, stride=2, padding=1).permute(0, 2, 3, 1)


def _stem(image: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """To a quarter of each side. Pooling at every place and taking every other one would do without padding, and
    computes four times as much."""
    x = LowestPaddedPooling2D()(_padded(image, 0, filters, stride=2))
    return layers.LeakyReLU(SLOPE)(x)  # the file has it before: the largest number is the same, and there are fewer now


def _block(x: keras.KerasTensor, block: _Block, filters: int) -> keras.KerasTensor:
    """Pairs of convolutions at half the channels, both halves put together; beside them what the first one gave."""
    entry = y = _convolved(x, block.first, filters, stride=block.step)
    for number in range(block.first + 1, block.first + 1 + 2 * block.pairs, 2):
        half = _convolved(y, number, filters // 2)
        y = layers.Concatenate()([_convolved(half, number + 1, filters // 2), half])
    return layers.Concatenate()([_convolved(y, block.first + 1 + 2 * block.pairs, filters), entry])


def _neck(below: Mapping[str, keras.KerasTensor], filters: int) -> dict[str, keras.KerasTensor]:
    """Path aggregation (Liu et al. 2018) by sums: from coarse to fine, and back. The file resizes by linear
    interpolation between pixel centres, which to half a side is the mean of four."""

    def lateral(x: keras.KerasTensor, number: int) -> keras.KerasTensor:
        convolution = layers.Conv2D(filters, 1, kernel_initializer=FanOutNormal(), name=f"convolution_{number}")
        return convolution(x)

    def larger(x: keras.KerasTensor) -> keras.KerasTensor:
        return layers.UpSampling2D(2, interpolation="bilinear")(x)

    fine, middle, coarse = (lateral(below[name], 25 + place) for place, name in enumerate(("x8", "x16", "x32")))
    middle = layers.Add()([middle, larger(coarse)])
    fine = layers.Add()([fine, larger(middle)])
    middle = layers.Add()([middle, layers.AveragePooling2D(2)(fine)])
    coarse = layers.Add()([coarse, layers.AveragePooling2D(2)(middle)])
    return {"map8": fine, "map16": middle, "map32": coarse}


def _convolved(x: keras.KerasTensor, number: int, filters: int, *, stride: int = 1) -> keras.KerasTensor:
    return layers.LeakyReLU(SLOPE)(_padded(x, number, filters, stride=stride))


def _padded(x: keras.KerasTensor, number: int, filters: int, *, stride: int) -> keras.KerasTensor:
    """The file's convolution `number`, 3 x 3, padded by one on each side, also at stride 2, where "same" would pad an
    even picture on its right and bottom alone."""
    name = f"convolution_{number}" if number else "convolution"
    padding = "same" if stride == 1 else "valid"
    if stride == 2:
        x = layers.ZeroPadding2D(1)(x)
    convolution = layers.Conv2D(
        filters, 3, strides=stride, padding=padding, kernel_initializer=FanOutNormal(), name=name
    )
    return convolution(x)
