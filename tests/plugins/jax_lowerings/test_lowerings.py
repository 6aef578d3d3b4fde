"""Which layers the rules for JAX take; their numbers are compared in tests/core/engine/test_lowered_numbers.py."""

import re

import keras
import pytest

from headstart.engine.lowering.loops import within_loop
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
        (layers.Conv2D(4, 3), "OrderedConvolution"),
        (layers.Conv2D(4, 1, strides=2), "OrderedConvolution"),
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
        layers.Conv2D(4, 3, dilation_rate=2),
        layers.Conv2D(6, 1, groups=2),
        layers.Conv2D(6, 3, groups=2),
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


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="a program of JAX")
def test_within_a_loop_every_convolution_of_a_training_step_has_the_order_of_images():
    """jax 0.10.2 for CPUs computes other orders there with loops of its own, tens of times as slow: see
    findings/xla_kernel_gradients_are_slow_in_loops.sh."""
    import jax
    import jax.numpy as jnp

    start = keras.Input((9, 9, 6), name="image")
    found = layers.Conv2D(8, 3)(layers.Conv2D(8, 3, strides=2, padding="same")(start))
    stage = Stage("only", keras.Model({"image": start}, {"x": found}))
    images, orders = jnp.ones((4, 9, 9, 6)), []
    for each in (stage, lowered(stage)):
        variables = each.model.trainable_variables

        def loss(values, model=each.model, variables=variables):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return jnp.sum(model({"image": images})["x"] ** 2)

        def step(values, _, loss=loss):
            with within_loop():
                gradients = jax.grad(loss)(values)
            return [value - gradient for value, gradient in zip(values, gradients, strict=True)], None

        run = jax.jit(lambda values, step=step: jax.lax.scan(step, values, None, length=3)[0])
        program = run.lower([variable.value for variable in variables]).compile().as_text()
        orders.append(set(re.findall(r"convolution\(.*?dim_labels=([\w>-]+)", program)))
    stock, ours = orders
    assert ours == {"b01f_01io->b01f"}
    assert stock > ours, "XLA has mended it: the rule can go"
