"""Builds MobileNetV2 in Keras, stage by stage, in the form that torchvision has.

Sandler et al. (2018), table 2. Torchvision pads every 3x3 by one on each side, also at stride 2, where TensorFlow's
"same" pads an even picture on its right and bottom alone; BatchNorm has epsilon 1e-5 and momentum 0.1, which is 0.9
here. Compared with torch written out from the file, and with `transformers`' MobileNetV2. The dropout before the
classifier goes with it. New depthwise kernels are drawn by what they add up, 9 numbers, as in the authors' code;
torchvision counts the other channels too, and begins with smaller ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
from keras import layers

from headstart.specs import Backbone, BackboneRequest, Stage
from headstart_plugins._mobile_networks import FanOutNormal, round_filters
from headstart_plugins.mobilenet_v2 import MobileOptions

EPSILON = 1e-5
MOMENTUM = 0.9
STEM, TOP = 32, 1280


@dataclass(frozen=True)
class _Group:
    """One row of the paper's table: `repeats` blocks, the first of which has the stride."""

    repeats: int
    stride: int
    expansion: int
    filters: int


GROUPS = (
    _Group(repeats=1, stride=1, expansion=1, filters=16),
    _Group(repeats=2, stride=2, expansion=6, filters=24),
    _Group(repeats=3, stride=2, expansion=6, filters=32),
    _Group(repeats=4, stride=2, expansion=6, filters=64),
    _Group(repeats=3, stride=1, expansion=6, filters=96),
    _Group(repeats=3, stride=2, expansion=6, filters=160),
    _Group(repeats=1, stride=1, expansion=6, filters=320),
)


def mobilenet_v2(request: BackboneRequest) -> Backbone:
    """Input `image` (batch, height, width, 3) float32, preprocessed; output `pooled` (batch, 1280). Between stages lies
    `x` (batch, height, width, channel)."""
    options: MobileOptions = request.options
    image = keras.Input(request.inputs["image"].shape, name="image")
    stem = layers.Conv2D(
        round_filters(STEM, options.width),
        3,
        strides=2,
        padding="valid",
        use_bias=False,
        kernel_initializer=FanOutNormal(),
    )
    x = _relu6(_norm(stem(layers.ZeroPadding2D(1)(image))))
    stages = [Stage("stem", keras.Model({"image": image}, {"x": x}, name="stem"))]
    for index, group in enumerate(GROUPS):
        start = x = keras.Input(x.shape[1:], name="x")
        filters = round_filters(group.filters, options.width)
        for repeat in range(math.ceil(group.repeats * options.depth)):
            x = _block(x, group, filters=filters, stride=group.stride if repeat == 0 else 1)
        name = f"block{index + 1}"
        stages.append(Stage(name, keras.Model({"x": start}, {"x": x}, name=name)))
    start = keras.Input(x.shape[1:], name="x")
    x = _relu6(_norm(_pointwise(start, round_filters(TOP, options.width))))
    pooled = layers.GlobalAveragePooling2D()(x)
    stages.append(Stage("top", keras.Model({"x": start}, {"pooled": pooled}, name="top")))
    return Backbone(tuple(stages))


def _block(x: keras.KerasTensor, group: _Group, *, filters: int, stride: int) -> keras.KerasTensor:
    """Inverted residual: expand, filter, project; added where shapes allow."""
    channels = x.shape[-1]
    y = x if group.expansion == 1 else _relu6(_norm(_pointwise(x, channels * group.expansion)))
    if stride == 2:
        y = layers.ZeroPadding2D(1)(y)
    depthwise = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        depthwise_initializer=FanOutNormal(),
    )
    y = _norm(_pointwise(_relu6(_norm(depthwise(y))), filters))
    return layers.Add()([y, x]) if stride == 1 and channels == filters else y


def _pointwise(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    return layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=FanOutNormal())(x)


def _norm(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)(x)


def _relu6(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU(max_value=6.0)(x)
