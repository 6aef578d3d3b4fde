"""A lowered layer computes what its stock layer computes, forward and backward, on the stock layer's own weights."""

import keras
import numpy as np
import pytest

from headstart.engine.compute import Step, forward, train_step
from headstart.engine.frozen import trainable_variables
from headstart.engine.lowering import lower, rules_for
from headstart.engine.network import Network
from headstart.engine.optimizer import GroupedAdamW
from headstart.engine.stages import name_variables, read_arrays
from headstart.registry import load_registry
from headstart.specs import FeatureSpec, Stage

pytestmark = pytest.mark.backend


def rules():
    """Those for JAX, on whichever backend runs the test: they are plain keras.ops."""
    return rules_for("jax", load_registry())


def single(layer, size=9, channels=6):
    inputs = keras.Input((size, size, channels), name="image")
    return Stage("only", keras.Model({"image": inputs}, {"x": layer(inputs)}))


def lowered(stage):
    return lower(Network((stage,), ()), rules()).stages[0]


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "size"),
    [(3, 1, "same", 8), (3, 2, "same", 8), (3, 2, "same", 9), (5, 2, "same", 8), (5, 2, "valid", 9), (4, 1, "same", 9)],
)
def test_a_depthwise_convolution_gives_the_same_numbers(kernel, strides, padding, size):
    stage = single(
        keras.layers.DepthwiseConv2D(kernel, strides=strides, padding=padding, bias_initializer="ones"), size=size
    )
    images = np.random.default_rng(0).normal(size=(2, size, size, 6)).astype("float32")
    expected = keras.ops.convert_to_numpy(stage.model({"image": images})["x"])
    other = lowered(stage)
    assert other is not stage
    given = keras.ops.convert_to_numpy(other.model({"image": images})["x"])
    assert expected.std() > 0.01
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_a_pointwise_convolution_gives_the_same_numbers():
    stage = single(keras.layers.Conv2D(4, 1, activation="relu"))
    images = np.random.default_rng(0).normal(size=(2, 9, 9, 6)).astype("float32")
    expected = keras.ops.convert_to_numpy(stage.model({"image": images})["x"])
    given = keras.ops.convert_to_numpy(lowered(stage).model({"image": images})["x"])
    assert expected.std() > 0.01
    np.testing.assert_allclose(given, expected, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
        keras.layers.DepthwiseConv2D(3, dilation_rate=2),
        keras.layers.Conv2D(4, 3),
        keras.layers.Conv2D(4, 1, strides=2),
        keras.layers.Conv2D(6, 1, groups=2),
        keras.layers.Dense(3),
    ],
)
def test_a_layer_that_would_differ_stays_as_it_is(layer):
    stage = single(layer)
    assert lowered(stage) is stage


def test_a_subclass_is_left_alone():
    class Noisy(keras.layers.DepthwiseConv2D):
        def call(self, inputs):
            return super().call(inputs) + 1.0

    Noisy.__name__ = "DepthwiseConv2D"
    stage = single(Noisy(3))
    assert lowered(stage) is stage


@pytest.fixture(scope="module")
def networks():
    """Two stages of inverted bottlenecks and a head, in stock layers and lowered."""
    layers = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same")(image)
    first = keras.Model({"image": image}, {"x": layers.Activation("relu6")(layers.BatchNormalization()(x))})
    middle = keras.Input((8, 8, 8), name="x")
    x = layers.Conv2D(16, 1)(middle)
    x = layers.DepthwiseConv2D(5, strides=2, padding="same", use_bias=False)(x)
    x = layers.Activation("relu6")(layers.BatchNormalization()(x))
    second = keras.Model({"x": middle}, {"pooled": layers.GlobalAveragePooling2D()(x)})
    pooled = keras.Input((16,), name="pooled")
    head = keras.Model({"pooled": pooled}, {"logits": layers.Dense(3)(pooled)})
    stages = (
        Stage("input", keras.Model({"image": image}, {"image": image * 1.0})),
        Stage("stem", first),
        Stage("top", second),
        Stage("head", head),
    )
    stock = Network(stages, (FeatureSpec("pooled", "top", "pooled", ("batch", "channel"), 16),))
    return stock, lower(stock, rules())


def test_the_variables_are_the_same_objects_under_the_same_names(networks):
    stock, fast = networks
    ours, theirs = name_variables(stock.learned), name_variables(fast.learned)
    assert [id(variable) for variable in ours.values()] == [id(variable) for variable in theirs.values()]
    assert len(ours) == 15


def test_outputs_and_updates_agree_with_the_stock_network(networks):
    """One plain-gradient step (no moments yet: AdamW's first update is the sign) would hide differences, so the
    gradients are compared through the slots of the optimizer: after one step the first moment is a tenth of them.
    """
    moments = []
    rng = np.random.default_rng(0)
    batch = {"image": rng.normal(size=(4, 16, 16, 3)).astype("float32")}
    stock = networks[0]
    start = read_arrays(stock.learned)
    outputs = []
    for network in networks:
        for name, variable in name_variables(stock.learned).items():
            variable.assign(start[name])
        outputs.append(forward(network, 0, len(network.stages))(batch)["logits"])
        trainable = trainable_variables(stock, stock.names[1:])
        rates = dict.fromkeys(stock.names, 1e-3)
        optimizer = GroupedAdamW(trainable, rates, steps=10, warmup=0.0, weight_decay=0.0)
        step = train_step(Step(network, 0, trainable, optimizer, Task()))
        step(batch, np.array([0, 1, 2, 0], "int32"), np.ones(4, "float32"))
        step.sync()
        moments.append([keras.ops.convert_to_numpy(slot) for slot in (*optimizer.first, *optimizer.second)])
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-4 * max(1.0, outputs[0].std()))
    ours, theirs = (np.concatenate([slot.ravel() for slot in each]) for each in moments)
    assert np.linalg.norm(ours - theirs) <= 1e-4 * np.linalg.norm(ours)
    assert np.linalg.norm(ours) > 0


class Task:
    """Cross-entropy, and nothing else of a task."""

    def loss(self, targets, outputs):
        return keras.losses.sparse_categorical_crossentropy(targets, outputs["logits"], from_logits=True)
