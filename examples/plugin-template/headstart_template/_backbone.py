"""Builds `steps`: convolutions with BatchNorm in three stages, the last two with a residual."""

from __future__ import annotations

import keras
from headstart.specs import Backbone, BackboneRequest, Stage
from keras import layers


def build(request: BackboneRequest) -> Backbone:
    """`image` (batch, height, width, 3) float32, preprocessed, to `pooled` (batch, 4 * options.width)."""
    width = request.options.width
    image = keras.Input(request.inputs["image"].shape, name="image")
    hidden = _convolved(image, width, stride=2)
    stem = Stage("stem", keras.Model({"image": image}, {"hidden": hidden}))

    entry = keras.Input(hidden.shape[1:], name="hidden")
    hidden = _refined(_convolved(entry, 2 * width, stride=2))
    middle = Stage("middle", keras.Model({"hidden": entry}, {"hidden": hidden}))

    entry = keras.Input(hidden.shape[1:], name="hidden")
    hidden = _refined(_convolved(entry, 4 * width, stride=2))
    pooled = layers.GlobalAveragePooling2D()(hidden)
    top = Stage("top", keras.Model({"hidden": entry}, {"hidden": hidden, "pooled": pooled}))
    return Backbone((stem, middle, top))


def _refined(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Add()([x, _convolved(x, x.shape[-1])])


def _convolved(x: keras.KerasTensor, filters: int, *, stride: int = 1) -> keras.KerasTensor:
    # Zeros cost nothing to draw. headstart puts the weights in: a file's, or random ones from the run's seed.
    convolution = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False, kernel_initializer="zeros")
    return layers.ReLU()(layers.BatchNormalization()(convolution(x)))
