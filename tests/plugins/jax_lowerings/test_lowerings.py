"""Which layers the rules for JAX take; their numbers are compared in tests/core/engine/test_lowered_numbers.py."""

import keras
import pytest

from headstart.engine.lowering.registry import lower, rules_for
from headstart.engine.network.network import Network
from headstart.registry import load_registry
from headstart.specs import Stage

pytestmark = pytest.mark.backend
layers = keras.layers


def rules():
    return rules_for("jax", load_registry(), device="cpu")


def single(layer, size=9, channels=6):
    inputs = keras.Input((size, size, channels), name="image")
    return Stage("only", keras.Model({"image": inputs}, {"x": layer(inputs)}))


def lowered(stage):
    return lower(Network((stage,), ()), rules()).stages[0]


@pytest.mark.parametrize(
    ("layer", "form"),
    [
        (layers.DepthwiseConv2D(3, padding="same"), "ShiftedDepthwise"),
        (layers.DepthwiseConv2D(5, strides=2, use_bias=False), "ShiftedDepthwise"),
        (layers.Conv2D(4, 1, activation="relu"), "PointwiseMatmul"),
        (layers.Dense(3, activation="relu"), "FlatDense"),
    ],
)
def test_a_layer_that_gains_has_its_form(layer, form):
    assert type(lowered(single(layer)).model.layers[1]).__name__ == form


@pytest.mark.parametrize(
    "layer",
    [
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.DepthwiseConv2D(3, dilation_rate=2),
        layers.DepthwiseConv2D(3, dtype="mixed_bfloat16"),
        layers.Conv2D(4, 3),
        layers.Conv2D(4, 1, strides=2),
        layers.Conv2D(6, 1, groups=2),
        layers.Dense(3, dtype="mixed_bfloat16"),
    ],
)
def test_a_layer_that_would_differ_stays_as_it_is(layer):
    stage = single(layer)
    assert lowered(stage) is stage


def test_a_subclass_is_left_alone():
    class Noisy(layers.DepthwiseConv2D):
        def call(self, inputs):
            return super().call(inputs) + 1.0

    Noisy.__name__ = "DepthwiseConv2D"
    stage = single(Noisy(3))
    assert lowered(stage) is stage


def test_on_a_gpu_the_stock_convolutions_are_used():
    assert rules_for("jax", load_registry(), device="gpu").keys() == {"BatchNormalization"}
