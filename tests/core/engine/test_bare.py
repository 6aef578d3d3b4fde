"""Stages run without what Keras adds to each layer's call on PyTorch, against the stages themselves."""

import os

import numpy as np
import pytest

from headstart.specs import FeatureSpec, Stage

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == "jax", reason="JAX compiles whole programs"),
]
WIDTH = 24


def network(*layers):
    """An input stage, one of `layers` in a row, nested once, and a head that is not run."""
    import keras

    from headstart.engine.network.network import Network

    entry = keras.Input((None, WIDTH), name="x")
    inner = keras.Input((None, WIDTH), name="x")
    x = inner
    for layer in layers:
        x = layer(x)
    x = keras.Model({"x": inner}, {"x": keras.ops.relu(x) + 1.0})({"x": entry})["x"]
    below = [Stage("input", keras.Model({"x": entry}, {"x": entry})), Stage("low", keras.Model({"x": entry}, {"x": x}))]
    head = Stage("head", keras.Model({"source": entry}, {"source": entry}))
    return Network((*below, head), (FeatureSpec("source", "low", "x", ("batch", "time", "channel"), WIDTH),))


def both(stages, rows):
    """The first answer, which is stock, and later ones."""
    import torch

    from headstart.engine.device import quick_stages

    quick = quick_stages(stages, 0, 2)
    with torch.no_grad():
        return [quick({"x": each})["@source"].numpy() for each in (torch.from_numpy(rows), torch.from_numpy(rows))]


def rows():
    return np.random.default_rng(2).normal(size=(3, 5, WIDTH)).astype(np.float32)


def test_answers_are_those_of_the_layers_and_no_layer_is_called():
    from keras import layers

    called = []

    class Told(layers.Dense):
        def __call__(self, *given, **more):
            called.append(1)
            return super().__call__(*given, **more)

    told = (layers.LayerNormalization(), Told(WIDTH, activation="gelu"), layers.Dropout(0.5), layers.Dense(WIDTH))
    stages = network(*told)
    called.clear()
    stock, bare = both(stages, rows())

    assert stock.std() > 0.01
    assert np.abs(stock - bare).max() <= 1e-5
    assert len(called) == 1  # the first time alone


def test_a_layer_that_fails_without_keras_is_called_by_it():
    import keras

    class Whole(keras.layers.Layer):
        """Takes numbers of its own type alone, to which Keras casts them."""

        def __init__(self):
            super().__init__(dtype="float64")

        def call(self, inputs):
            if "64" not in str(inputs.dtype):
                raise TypeError(inputs.dtype)
            return inputs * 2

    stock, again = both(network(Whole()), rows())

    assert np.array_equal(stock, again)
