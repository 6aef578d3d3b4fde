"""A network whose weights are at hand is built without drawing what they replace, whatever its builder does."""

import keras
import numpy as np
import pytest

from headstart.engine.network.lsuv_init import seed_arrays
from headstart.engine.network.network import Network
from headstart.engine.network.stages import built_with, read_arrays, without_draws
from headstart.errors import WrongWeightsError
from headstart.specs import Backbone, Stage

pytestmark = pytest.mark.backend

ARRAYS = {"body/0/kernel": np.arange(6, dtype="float32").reshape(2, 3), "head/0/kernel": np.ones((3, 1), "float32")}


@keras.saving.register_keras_serializable("tests")
class Counts(keras.initializers.Initializer):
    """Ones, and how often they were asked for."""

    asked = 0

    def __call__(self, shape, dtype=None):
        Counts.asked += 1
        return keras.ops.ones(shape, dtype)


def stage(name, inside, outside, layer):
    entry = keras.Input((2 if inside in "xy" else 3,), name=inside)
    return Stage(name, keras.Model({inside: entry}, {outside: layer(entry)}))


class Scaled(keras.layers.Layer):
    """Multiplies by a weight that is none of those that learn."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="ones", trainable=False, name="scale")

    def call(self, inputs):
        return inputs * self.scale


def build(before=lambda entry: None):
    """`before` does something with the layer of the input stage."""
    scaled = Scaled()
    entry = stage("input", "x", "y", scaled)
    before(scaled)
    dense = (keras.layers.Dense(units, use_bias=False, kernel_initializer=Counts()) for units in (3, 1))
    return Network((entry, stage("body", "y", "z", next(dense)), stage("head", "z", "out", next(dense))), ())


def answer(network):
    values = {"x": np.array([[1.0, 2.0]], "float32")}
    for each in network.stages:
        values = each.model(values)
    return float(keras.ops.convert_to_numpy(values["out"])[0, 0])


def test_what_would_be_replaced_is_not_drawn_on_jax(backend):
    Counts.asked = 0
    network = built_with(build, ARRAYS, source="a test")
    assert Counts.asked == (0 if backend == "jax" else 2)
    assert answer(network) == 1 * (0 + 1 + 2) + 2 * (3 + 4 + 5)


def test_the_parameters_of_a_layer_are_its_variables(backend):
    """PyTorch's exporters take the parameters of modules."""
    if backend != "torch":
        pytest.skip("layers are modules on PyTorch alone")
    for each in built_with(build, ARRAYS, source="a test").stages:
        for layer in each.model.layers:
            assert {id(parameter) for parameter in layer.parameters()} == {id(each.value) for each in layer.variables}


def test_what_a_builder_assigns_to_others_stays():
    network = built_with(lambda: build(lambda scaled: scaled.scale.assign(10.0)), ARRAYS, source="a test")
    assert answer(network) == 270


def test_a_builder_may_make_variables_of_given_values():
    network = built_with(lambda: build(lambda scaled: keras.Variable(np.ones(3, "float32"))), ARRAYS, source="a test")
    assert answer(network) == 27


def test_arrays_that_do_not_fit_are_refused_by_name():
    wrong = {**ARRAYS, "body/0/kernel": np.ones((3, 3), "float32")}
    with pytest.raises(WrongWeightsError, match=r"body/0/kernel has shape \(3, 3\), expected \(2, 3\)"):
        built_with(build, wrong, source="a test")
    with pytest.raises(WrongWeightsError, match="missing head/0/kernel"):
        built_with(build, {"body/0/kernel": ARRAYS["body/0/kernel"]}, source="a test")


class Steps(keras.layers.Layer):
    """Multiplies by numbers of its own, of which one may be assigned while it is built."""

    def __init__(self, assigned, **settings):
        super().__init__(**settings)
        self.assigned = assigned

    def build(self, shape):
        self.steps = self.add_weight(
            shape=shape[-1:], initializer=lambda shape, dtype: keras.ops.convert_to_tensor([1.0, 1.0, 2.0])
        )
        if self.assigned:
            self.steps.assign([3.0, 3.0, 4.0])

    def call(self, inputs):
        return inputs * self.steps


def drawn(assigned=False):
    """A backbone with weights that are drawn, weights that are not, and a state that draws."""
    entry = keras.Input((4, 2), name="x")
    x = keras.layers.LSTM(3, name="recurrent")(entry)
    x = Steps(assigned, name="steps")(keras.layers.Dropout(0.1, seed=4, name="dropout")(x))
    return Backbone((Stage("body", keras.Model({"x": entry}, {"y": keras.layers.Dense(5, name="dense")(x)})),))


@pytest.mark.parametrize("assigned", [False, True])
def test_random_weights_are_those_of_their_seed_whatever_a_builder_drew(assigned):
    found, reference = without_draws(lambda: drawn(assigned)), drawn(assigned)
    for each in (found, reference):
        seed_arrays(each.stages, 3)
    found, reference = read_arrays(found.stages), read_arrays(reference.stages)

    (steps,) = (array for array in found.values() if array.shape == (3,))
    assert steps.tolist() == ([3, 3, 4] if assigned else [1, 1, 2])
    assert min(array.std() for name, array in found.items() if name.endswith("kernel")) > 0.01
    for name, array in reference.items():
        np.testing.assert_array_equal(found[name], array)


def test_what_is_replaced_is_not_drawn_for_a_backbone_on_jax(backend, monkeypatch):
    asked = []
    true = keras.initializers.GlorotUniform.__call__
    monkeypatch.setattr(
        keras.initializers.GlorotUniform, "__call__", lambda *given, **more: asked.append(1) or true(*given, **more)
    )
    without_draws(drawn)
    assert len(asked) == (0 if backend == "jax" else 2)
