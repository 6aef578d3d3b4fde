"""Build target: convolutions with BatchNorm, a residual that crosses no boundary, and a mean at the end."""

import keras
import numpy as np
from keras import layers

from headstart.specs import Backbone, Stage


def build(request):
    """(batch, height, width, 3) float32 to `pooled` (batch, 12)."""
    image = keras.Input(request.inputs["image"].shape, name="image")
    hidden = _block(image, 8, stride=2)
    low = Stage("low", keras.Model({"image": image}, {"hidden": hidden}))

    entry = keras.Input(hidden.shape[1:], name="hidden")
    middle = Stage("middle", keras.Model({"hidden": entry}, {"hidden": layers.add([entry, _block(entry, 8)])}))

    entry = keras.Input(hidden.shape[1:], name="hidden")
    pooled = layers.GlobalAveragePooling2D()(_block(entry, 12, stride=2))
    return Backbone((low, middle, Stage("top", keras.Model({"hidden": entry}, {"pooled": pooled}))))


def _block(tensor, filters, stride=1):
    convolution = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False, kernel_initializer=_draw)
    tensor = convolution(tensor)
    tensor = layers.BatchNormalization()(tensor)
    return layers.ReLU(max_value=6)(tensor)


def _draw(shape, dtype=None):
    """Drawn by numpy: JAX would compile its own generator for each shape."""
    drawn = np.random.default_rng(len(shape)).normal(0, 0.2, shape)
    return keras.ops.convert_to_tensor(drawn, dtype=dtype)
