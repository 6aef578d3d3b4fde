"""The last step of preprocessing, as part of the network: pixels to what the weights expect."""

from __future__ import annotations

import keras

from headstart_plugins.image._preprocess import Preprocess


def image_stage(preprocess: Preprocess) -> keras.Model:
    """{"image": (batch, height, width, 3) uint8} to {"image": the same shape, float32}: x * scale + offset a
    channel.

    Stock operations only and no weights, so that every exporter knows it. Channels are reversed first where
    the weights want BGR.
    """
    shape = (preprocess.height, preprocess.width, 3)
    pixels = keras.Input(shape, dtype="uint8", name="image")
    values = keras.ops.cast(pixels, "float32")
    if preprocess.channels == "bgr":
        values = keras.ops.flip(values, axis=-1)
    scaled = keras.layers.Rescaling(list(preprocess.scale), offset=list(preprocess.offset), dtype="float32")(values)
    return keras.Model({"image": pixels}, {"image": scaled}, name="image")
