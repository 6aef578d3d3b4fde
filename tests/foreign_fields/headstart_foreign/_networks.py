"""The three backbones."""

import keras
from keras import layers

from headstart.specs import Backbone, Stage


def words(request):
    """tokens (batch, time) int32 and mask (batch, time) bool to `x` (batch, time, 16) and `pooled` (batch, 16)."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    mask = keras.Input((None,), dtype="bool", name="mask")
    x = layers.Embedding(12, 16)(tokens)
    embed = keras.Model({"tokens": tokens, "mask": mask}, {"x": x, "mask": layers.Identity()(mask)})

    x, mask = keras.Input((None, 16), name="x"), keras.Input((None,), dtype="bool", name="mask")
    seen = layers.MultiHeadAttention(2, 8)(x, x, attention_mask=keras.ops.expand_dims(mask, 1))
    mixed = layers.LayerNormalization()(layers.add([x, seen]))
    mix = keras.Model({"x": x, "mask": mask}, {"x": mixed, "mask": layers.Identity()(mask)})

    x, mask = keras.Input((None, 16), name="x"), keras.Input((None,), dtype="bool", name="mask")
    weight = keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)
    mean = keras.ops.sum(x * weight, axis=1) / keras.ops.maximum(keras.ops.sum(weight, axis=1), 1.0)
    pool = keras.Model({"x": x, "mask": mask}, {"pooled": layers.Dense(16, activation="relu")(mean)})
    return Backbone((Stage("embed", embed), Stage("mix", mix), Stage("pool", pool)))


def sights(request):
    """scene (batch, 32, 32, 1) to `x` (batch, 8, 8, 16) and its mean `pooled` (batch, 16)."""
    scene = keras.Input((32, 32, 1), name="scene")
    low = keras.Model({"scene": scene}, {"x": _convolution(scene, 8, 2)})
    x = keras.Input((16, 16, 8), name="x")
    middle = keras.Model({"x": x}, {"x": _convolution(x, 16, 2)})
    x = keras.Input((8, 8, 16), name="x")
    last = _convolution(x, 16, 1)
    high = keras.Model({"x": x}, {"x": last, "pooled": layers.GlobalAveragePooling2D()(last)})
    return Backbone((Stage("low", low), Stage("middle", middle), Stage("high", high)))


def sounds(request):
    """wave (batch, 64, 1) to `pooled` (batch, 16)."""
    wave = keras.Input((64, 1), name="wave")
    low = keras.Model({"wave": wave}, {"x": layers.Conv1D(16, 9, strides=2, padding="same", activation="relu")(wave)})
    x = keras.Input((32, 16), name="x")
    last = layers.Conv1D(16, 5, padding="same", activation="relu")(x)
    high = keras.Model({"x": x}, {"pooled": layers.GlobalAveragePooling1D()(last)})
    return Backbone((Stage("low", low), Stage("high", high)))


def _convolution(tensor, filters, stride):
    return layers.Conv2D(filters, 3, strides=stride, padding="same", activation="relu")(tensor)
