"""A network holds what it makes on the way only while something reads it."""

import weakref

import keras
import numpy as np
import pytest

from headstart.engine.network.liveness import let_go
from headstart.engine.network.network import Network
from headstart.specs import Stage

pytestmark = pytest.mark.backend


class Record:
    """What layers gave, and what they counted; a list of a layer's own Keras would copy."""

    def __init__(self):
        self.given, self.counts = [], []


class Seen(keras.layers.Layer):
    """Adds one, and counts how many of the tensors that such layers gave before are still there."""

    def __init__(self, record, **settings):
        super().__init__(**settings)
        self.record = record

    def call(self, inputs):
        self.record.counts.append(sum(each() is not None for each in self.record.given))
        found = inputs + 1.0
        self.record.given.append(weakref.ref(found))
        return found


def chain(length):
    """A model of so many such layers, and the counts of its next runs."""
    record, entry = Record(), keras.Input((4,), name="x")
    found = entry
    for _ in range(length):
        found = Seen(record)(found)
    model = keras.Model({"x": entry}, {"x": found})
    record.given.clear()
    record.counts.clear()
    return model, record.counts


def test_a_tensor_is_let_go_behind_the_last_layer_that_reads_it():
    kept, of_keras = chain(6)
    kept({"x": np.zeros((2, 4), np.float32)})
    assert of_keras == [0, 1, 2, 3, 4, 5]  # what Keras does; were it to change, `liveness` could go

    model, counts = chain(6)
    let_go(model)
    outputs = model({"x": np.zeros((2, 4), np.float32)})
    assert max(counts) == 1
    assert np.array_equal(keras.ops.convert_to_numpy(outputs["x"]), np.full((2, 4), 6.0))


def test_a_network_does_so_in_every_stage():
    (low, seen), (top, later) = chain(5), chain(5)
    head = keras.Model({"x": (entry := keras.Input((4,), name="x"))}, {"y": entry * 2.0})
    network = Network((Stage("low", low), Stage("top", top), Stage("other", head)), ())
    network.run({"x": keras.ops.zeros((2, 4))}, 0, 2)
    assert max(seen) == 1
    assert max(later) == 1


def branched():
    """A model with a skip, an inner model, a layer that runs twice, and a tensor that is read late and given away."""
    inner_entry = keras.Input((8, 8, 4))
    inner = keras.Model(inner_entry, keras.layers.ReLU()(keras.layers.Conv2D(4, 3, padding="same")(inner_entry)))
    entry = keras.Input((8, 8, 4), name="x")
    twice = keras.layers.Conv2D(4, 1, activation="tanh")
    early = keras.layers.Conv2D(4, 3, padding="same")(entry)
    hidden = keras.layers.Add()([twice(inner(early)), early])
    late = keras.layers.Concatenate()([twice(hidden), entry, early])
    return keras.Model({"x": entry}, {"early": early, "late": keras.layers.Dropout(0.5)(late)})


def test_numbers_are_those_that_keras_gives():
    model = branched()
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 4)).astype(np.float32)
    expected = {name: keras.ops.convert_to_numpy(each).copy() for name, each in model({"x": x}).items()}
    let_go(model)
    again = {name: keras.ops.convert_to_numpy(each) for name, each in model({"x": x}).items()}
    assert set(again) == set(expected) == {"early", "late"}
    for name, values in expected.items():
        assert values.std() > 0.01
        assert np.array_equal(again[name], values), name


@pytest.mark.slow_on_jax
def test_training_mode_masks_and_clones_are_as_before():
    model = branched()
    let_go(model)
    x = np.ones((64, 8, 8, 4), np.float32)
    dropped = keras.ops.convert_to_numpy(model({"x": x}, training=True)["late"])
    assert 0.3 < (dropped == 0).mean() < 0.7

    words = keras.Input((5,), dtype="int32")
    embedded = keras.layers.Embedding(7, 3, mask_zero=True)(words)
    pooled = keras.Model(words, keras.layers.GlobalAveragePooling1D()(embedded))
    ids = np.array([[1, 2, 0, 0, 0], [3, 0, 0, 0, 0]])
    expected = keras.ops.convert_to_numpy(pooled(ids)).copy()
    let_go(pooled)
    assert np.array_equal(keras.ops.convert_to_numpy(pooled(ids)), expected)

    copied = keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    assert np.allclose(
        keras.ops.convert_to_numpy(copied({"x": x})["late"]), keras.ops.convert_to_numpy(model({"x": x})["late"])
    )
