"""The pass itself: which layers are replaced, in chains, nested models and composite layers, and what failures do."""

import keras
import numpy as np
import pytest

from headstart.engine.lowering.applied import Lowered
from headstart.engine.lowering.registry import device_at_hand, lower, rules_for
from headstart.engine.network.network import Network
from headstart.errors import PluginError
from headstart.specs import LoweringSpec, Stage

pytestmark = pytest.mark.backend
layers = keras.layers


class Stand(keras.layers.Layer):
    """Computes what its stock layers do, and marks where a rule was."""

    def __init__(self, *stock):
        super().__init__(name=stock[0].name)
        self.stock = list(stock)
        self.built = True

    def call(self, inputs):
        for layer in self.stock:
            inputs = layer(inputs)
        return inputs


class Standing(Lowered):
    """A stock layer in another form."""

    def call(self, inputs):
        return self.stock[0].call(inputs)


def stage(build, shape=(6,)):
    """A stage of one input `x`, and what `build` makes of it by name."""
    start = keras.Input(shape, name="x")
    return Stage("only", keras.Model({"x": start}, build(start)))


def lowered(stage, rules, warn=None):
    return lower(Network((stage,), ()), rules, warn).stages[0]


def stands(model):
    """The classes in each layer that a rule made, in order; nested models are opened."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += stands(layer)
        elif isinstance(layer, Stand):
            found.append(" ".join(type(each).__name__ for each in layer.stock))
    return found


def answers(stage, shape=(6,)):
    batch = np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")
    return {name: keras.ops.convert_to_numpy(each) for name, each in stage.model({"x": batch}).items()}


def verify_same(stage, fast, shape=(6,)):
    expected, given = answers(stage, shape), answers(fast, shape)
    assert given.keys() == expected.keys()
    for name, array in expected.items():
        assert array.std() > 0.01
        np.testing.assert_allclose(given[name], array, atol=1e-5)
    ours, theirs = ([id(variable) for variable in each.model.weights] for each in (stage, fast))
    assert ours == theirs


def dense_norm_relu(x):
    return layers.ReLU()(layers.BatchNormalization()(layers.Dense(6)(x)))


RULES = {"Dense": Stand, "Dense BatchNormalization": Stand, "Dense BatchNormalization ReLU": Stand}


def test_the_longest_chain_that_a_rule_takes_is_one_layer():
    only = stage(lambda x: {"y": layers.Dense(3)(dense_norm_relu(x))})
    fast = lowered(only, RULES)
    assert stands(fast.model) == ["Dense BatchNormalization ReLU", "Dense"]
    assert len(fast.model.layers) == 3
    verify_same(only, fast)


def test_a_rule_that_refuses_a_chain_leaves_it_to_the_shorter_one():
    rules = RULES | {"Dense BatchNormalization ReLU": lambda *chain: None}
    only = stage(lambda x: {"y": dense_norm_relu(x)})
    fast = lowered(only, rules)
    assert stands(fast.model) == ["Dense BatchNormalization"]
    verify_same(only, fast)


def read_twice(x):
    y = layers.Dense(6)(x)
    return {"y": layers.Add()([layers.BatchNormalization()(y), y])}


def given_away(x):
    y = layers.Dense(6)(x)
    return {"y": y, "z": layers.BatchNormalization()(y)}


def run_twice(x):
    dense, norm = layers.Dense(6), layers.BatchNormalization()
    return {"y": norm(dense(norm(dense(x))))}


def told_to_train(x):
    return {"y": layers.BatchNormalization()(layers.Dense(6)(x), training=True)}


@pytest.mark.parametrize("build", [read_twice, given_away, run_twice, told_to_train])
def test_a_chain_ends_where_a_tensor_has_another_reader_or_a_call_another_meaning(build):
    only = stage(build)
    fast = lowered(only, RULES)
    assert set(stands(fast.model)) == {"Dense"}
    verify_same(only, fast)


def test_branches_of_one_network_are_chains_of_their_own():
    only = stage(lambda x: {"y": layers.Add()([dense_norm_relu(x), dense_norm_relu(x)])})
    fast = lowered(only, RULES)
    assert stands(fast.model) == ["Dense BatchNormalization ReLU"] * 2
    expected, given = answers(only)["y"], answers(fast)["y"]
    np.testing.assert_allclose(given, expected, atol=1e-5)
    assert {id(v) for v in fast.model.weights} == {id(v) for v in only.model.weights}


def test_nested_models_are_opened_to_any_depth():
    def wrapped(build, name):
        start = keras.Input((6,))
        return keras.Model(start, build(start), name=name)

    inner = wrapped(dense_norm_relu, "inner")
    outer = wrapped(lambda x: layers.Dense(6)(inner(x)), "outer")
    only = stage(lambda x: {"y": outer(x)})
    fast = lowered(only, RULES)
    assert sorted(stands(fast.model)) == ["Dense", "Dense BatchNormalization ReLU"]
    verify_same(only, fast)


def test_where_no_rule_fits_the_stage_stays_the_same_object():
    only = stage(lambda x: {"y": layers.Dense(3)(x)})
    assert lowered(only, {"Conv2D": Stand}) is only
    assert lowered(only, {}) is only


class Separable(keras.layers.Layer):
    """A composite layer: two layers in one, with a lowered form of its own."""

    def __init__(self, given=None, failing=None, **options):
        super().__init__(**options)
        self.failing = failing
        self.inner = list(given or (layers.DepthwiseConv2D(3, padding="same"), layers.Conv2D(4, 1)))
        self.built = given is not None

    def build(self, shape):
        self.inner[0].build(shape)
        self.inner[1].build(shape)

    def call(self, inputs):
        return self.inner[1](self.inner[0](inputs))

    def compute_output_shape(self, shape):
        return (*shape[:-1], 4)

    def lower(self, lower_layer):
        if self.failing is not None:
            raise self.failing
        inner = [lower_layer(layer) for layer in self.inner]
        same = all(new is old for new, old in zip(inner, self.inner, strict=True))
        return None if same else Separable(inner, name=self.name)


def composite(**options):
    return stage(lambda x: {"y": Separable(**options)(x)}, shape=(8, 8, 4))


def test_a_composite_layer_is_asked_and_has_its_inner_layers_lowered():
    only = composite()
    fast = lowered(only, {"DepthwiseConv2D": Stand})
    depthwise, pointwise = fast.model.layers[1].inner
    assert isinstance(depthwise, Stand)
    assert pointwise is only.model.layers[1].inner[1]
    verify_same(only, fast, shape=(8, 8, 4))


def test_a_composite_layer_that_has_no_other_form_stays():
    only = composite()
    assert lowered(only, RULES) is only


def test_a_composite_layer_on_the_rules_of_this_backend():
    from headstart.registry import load_registry

    only = composite()
    fast = lowered(only, rules_for(keras.backend.backend(), load_registry(), device="cpu"))
    assert all(type(layer).__module__.startswith("headstart_plugins") for layer in fast.model.layers[1].inner)
    verify_same(only, fast, shape=(8, 8, 4))


def test_a_composite_layer_that_fails_stays_and_is_told_of():
    only = composite(failing=RuntimeError("out of ideas"))
    told = []
    assert lowered(only, RULES, told.append) is only
    assert "Separable.lower failed: RuntimeError: out of ideas; the stock layers are used" in told[0]
    with pytest.raises(PluginError, match="Separable"):
        lowered(only, RULES)


class Offers:
    """A registry of lowerings alone."""

    def __init__(self, *specs):
        self.offered = specs

    def specs(self, kind):
        assert kind == "lowerings"
        return self.offered

    def load_target(self, spec, target):
        return lambda *chain: spec.name


def spec(name, **fields):
    return LoweringSpec(**{"name": name, "summary": "", "build": "", "layer": "Dense", "backends": ("jax",), **fields})


def test_rules_are_those_of_backend_and_device_and_the_first_offered_counts():
    offers = Offers(
        spec("a/first"),
        spec("a/second"),
        spec("a/torch", backends=("torch",)),
        spec("a/gpu", devices=("gpu",), then=("ReLU",)),
        spec("a/both", devices=("cpu", "gpu"), layer="Conv2D"),
    )
    assert {chain: rule() for chain, rule in rules_for("jax", offers, device="cpu").items()} == {
        "Dense": "a/first",
        "Conv2D": "a/both",
    }
    assert {chain: rule() for chain, rule in rules_for("jax", offers, device="gpu").items()} == {
        "Dense ReLU": "a/gpu",
        "Conv2D": "a/both",
    }


def test_the_device_at_hand_is_where_tensors_are_made():
    tensor = keras.ops.zeros((2,))
    if keras.backend.backend() == "jax":
        (made,) = {device.platform for device in tensor.devices()}
    else:
        made = tensor.device.type
    assert device_at_hand() == {"cuda": "gpu", "mps": "gpu"}.get(made, made)


def test_operations_that_are_no_layers_stay_between_lowered_ones():
    """Keras 3.15 clones those too, and asks what is to stand for them."""
    only = stage(lambda x: {"y": layers.Dense(4)(keras.ops.gelu(layers.Dense(5)(x) * 2.0))})
    fast = lowered(only, {"Dense": Stand})
    assert stands(fast.model) == ["Dense", "Dense"]
    verify_same(only, fast)


def test_masks_that_keras_carries_pass_through_a_lowered_layer(recwarn):
    x = keras.Input((4,), dtype="int32", name="x")
    embedded = layers.Embedding(9, 5, mask_zero=True)(x)
    only = Stage("a", keras.Model({"x": x}, {"y": layers.Dense(6)(embedded)}))
    fast = lowered(only, {"Dense": Standing})
    tokens = keras.ops.convert_to_tensor(np.array([[3, 1, 0, 0]], "int32"))
    masks = [each.model({"x": tokens})["y"]._keras_mask for each in (only, fast)]
    stock, given = (keras.ops.convert_to_numpy(mask).tolist() for mask in masks)
    assert given == stock == [[True, True, False, False]]
    assert not [each for each in recwarn if "mask" in str(each.message)]
