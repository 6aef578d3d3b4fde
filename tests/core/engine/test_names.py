"""Weights inside composite layers have names that do not depend on how many layers the process built before."""

import keras
import pytest

from headstart.engine.network.stages import name_variables
from headstart.specs import Stage

pytestmark = pytest.mark.backend


@keras.saving.register_keras_serializable("tests")
class Gate(keras.layers.Layer):
    """Two unnamed layers, one named as if Keras had numbered it, and one inside another."""

    def __init__(self):
        super().__init__()
        self.first, self.second = keras.layers.Dense(4), keras.layers.Dense(4)
        self.named = keras.layers.Dense(4, name="query")
        self.inner = keras.Sequential([keras.layers.Dense(4), keras.layers.LayerNormalization()])

    def call(self, inputs):
        return self.inner(self.named(self.second(self.first(inputs))))


def names():
    entry = keras.Input((4,), name="x")
    return list(name_variables([Stage("only", keras.Model({"x": entry}, {"y": Gate()(entry)}))]))


def test_counters_of_keras_do_not_enter():
    before = names()
    for _ in range(11):
        keras.layers.Dense(2)

    assert names() == before
    assert before[:6] == [
        *("only/0/dense/kernel", "only/0/dense/bias", "only/0/dense_1/kernel", "only/0/dense_1/bias"),
        *("only/0/query/kernel", "only/0/query/bias"),
    ]
    assert len(set(before)) == len(before) == 10
