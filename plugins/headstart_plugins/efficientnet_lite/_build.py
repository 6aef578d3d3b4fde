"""Builds EfficientNet-Lite in Keras, stage by stage.

Tan and Le (2019), table 1, in the authors' Lite form: ReLU6 for swish, no squeeze-excite, stem and top of
fixed width. Padding is TensorFlow's "same"; BatchNorm has epsilon 1e-3 and momentum 0.99. Logits were
compared with the PyPI package `efficientnet-lite-pytorch`. The stochastic depth of the original training is
left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import keras
from keras import layers

from headstart.specs import Backbone, BackboneRequest, Stage
from headstart_plugins._mobile_networks import FanOutNormal, round_filters
from headstart_plugins.efficientnet_lite import LiteOptions

EPSILON = 1e-3
MOMENTUM = 0.99
STEM, TOP = 32, 1280


@dataclass(frozen=True)
class _Group:
    """One row of the paper's table: `repeats` blocks, the first of which has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


GROUPS = (
    _Group(repeats=1, kernel=3, stride=1, expansion=1, filters=16),
    _Group(repeats=2, kernel=3, stride=2, expansion=6, filters=24),
    _Group(repeats=2, kernel=5, stride=2, expansion=6, filters=40),
    _Group(repeats=3, kernel=3, stride=2, expansion=6, filters=80),
    _Group(repeats=3, kernel=5, stride=1, expansion=6, filters=112),
    _Group(repeats=4, kernel=5, stride=2, expansion=6, filters=192),
    _Group(repeats=1, kernel=3, stride=1, expansion=6, filters=320),
)


def _build(request: BackboneRequest, *, width: float, depth: float) -> Backbone:
    """A variant has its own multipliers of width and depth; the user's options multiply on top, and reach what the
    variants do not scale: stem, top, and the depth of the first and last group."""
    options: LiteOptions = request.options
    image = keras.Input(request.inputs["image"].shape, name="image")
    x = _relu6(_norm(_conv(image, round_filters(STEM, options.width), kernel=3, stride=2)))
    stages = [Stage("stem", keras.Model({"image": image}, {"x": x}, name="stem"))]
    for index, group in enumerate(GROUPS):
        start = x = keras.Input(x.shape[1:], name="x")
        filters = round_filters(group.filters, width * options.width)
        deeper = 1.0 if index in (0, len(GROUPS) - 1) else depth
        for repeat in range(math.ceil(group.repeats * options.depth * deeper)):
            x = _block(x, group, filters=filters, stride=group.stride if repeat == 0 else 1)
        name = f"block{index + 1}"
        stages.append(Stage(name, keras.Model({"x": start}, {"x": x}, name=name)))
    start = keras.Input(x.shape[1:], name="x")
    x = _relu6(_norm(_conv(start, round_filters(TOP, options.width))))
    pooled = layers.GlobalAveragePooling2D()(x)
    stages.append(Stage("top", keras.Model({"x": start}, {"pooled": pooled}, name="top")))
    return Backbone(tuple(stages))


lite0 = partial(_build, width=1.0, depth=1.0)
"""EfficientNet-Lite0. Input `image` (batch, height, width, 3) float32, preprocessed; output `pooled` (batch, 1280)."""
lite1 = partial(_build, width=1.0, depth=1.1)
"""EfficientNet-Lite1: deeper. Tensors as in `lite0`."""
lite2 = partial(_build, width=1.1, depth=1.2)
"""EfficientNet-Lite2: deeper and wider. Tensors as in `lite0`."""


def _block(x: keras.KerasTensor, group: _Group, *, filters: int, stride: int) -> keras.KerasTensor:
    """Inverted residual (Sandler et al. 2018): expand, filter, project; added where shapes allow."""
    channels = x.shape[-1]
    y = x
    if group.expansion != 1:
        y = _relu6(_norm(_conv(y, channels * group.expansion)))
    depthwise = layers.DepthwiseConv2D(
        group.kernel, strides=stride, padding="same", use_bias=False, depthwise_initializer=FanOutNormal()
    )
    y = _relu6(_norm(depthwise(y)))
    y = _norm(_conv(y, filters))
    return layers.Add()([y, x]) if stride == 1 and channels == filters else y


def _conv(x: keras.KerasTensor, filters: int, *, kernel: int = 1, stride: int = 1) -> keras.KerasTensor:
    return layers.Conv2D(
        filters, kernel, strides=stride, padding="same", use_bias=False, kernel_initializer=FanOutNormal()
    )(x)


def _norm(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)(x)


def _relu6(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU(max_value=6.0)(x)
