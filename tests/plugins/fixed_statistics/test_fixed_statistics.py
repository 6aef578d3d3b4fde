"""BatchNorm whose gamma and beta learn while its statistics stand still, against the closed form."""

import keras
import numpy as np
import pytest

from headstart.engine.lowering.registry import lower, rules_for
from headstart.engine.network.network import Network
from headstart.registry import load_registry
from headstart.specs import Stage

pytestmark = pytest.mark.backend
layers = keras.layers
FORM = "FixedStatsBatchNorm"


@pytest.fixture(scope="module")
def rules():
    return rules_for(keras.backend.backend(), load_registry(), device="cpu")


def single(norm, shape=(5, 4, 6)):
    """A stage of one norm, built, with numbers that are far from those that it begins with."""
    inputs = keras.Input(shape, name="x")
    stage = Stage("only", keras.Model({"x": inputs}, {"y": norm(inputs)}))
    draw = np.random.default_rng(0)
    for variable in norm.weights:
        variable.assign(draw.uniform(0.5, 2.0, variable.shape).astype("float32"))
    return stage


def lowered(stage, rules):
    return lower(Network((stage,), ()), rules).stages[0]


def form_of(stage):
    return type(stage.model.layers[1]).__name__


def samples(shape=(5, 4, 6), seed=1):
    return np.random.default_rng(seed).normal(1.0, 2.0, (3, *shape)).astype("float32")


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (layers.BatchNormalization(), (5, 4, 6)),
        (layers.BatchNormalization(axis=3, epsilon=1e-5), (5, 4, 6)),
        (layers.BatchNormalization(axis=1, scale=False), (6,)),
        (layers.BatchNormalization(center=False), (7, 6)),
        (layers.BatchNormalization(center=False, scale=False), (6,)),
    ],
)
def test_answers_are_those_of_the_stock_layer_where_channels_are_last(rules, norm, shape):
    stage = single(norm, shape)
    fast = lowered(stage, rules)
    assert form_of(fast) == FORM
    assert [id(each) for each in fast.model.weights] == [id(each) for each in stage.model.weights]

    batch = {"x": samples(shape)}
    expected, given = (keras.ops.convert_to_numpy(each.model(batch)["y"]) for each in (stage, fast))
    assert expected.std() > 0.01
    np.testing.assert_allclose(given, expected, atol=1e-5)


@pytest.mark.parametrize(
    "norm",
    [layers.BatchNormalization(axis=1), layers.BatchNormalization(dtype="mixed_bfloat16")],
    ids=["axis", "dtype"],
)
def test_other_axes_and_numbers_are_left_to_the_stock_layer(rules, norm):
    stage = single(norm)
    assert lowered(stage, rules) is stage


def gradients(stage, batch, weights, variables):
    """Of sum(y * weights), by variable."""
    if keras.backend.backend() == "torch":
        import torch

        outputs = stage.model({"x": torch.from_numpy(batch)}, training=False)["y"]
        return torch.autograd.grad((outputs * torch.from_numpy(weights)).sum(), [each.value for each in variables])
    import jax

    def scalar(values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return (stage.model({"x": batch}, training=False)["y"] * weights).sum()

    return jax.grad(scalar)([each.value for each in variables])


def test_gamma_and_beta_learn_by_the_closed_form_and_statistics_keep_their_bits(rules):
    norm = layers.BatchNormalization()
    fast = lowered(single(norm), rules)
    before = [keras.ops.convert_to_numpy(each).tobytes() for each in (norm.moving_mean, norm.moving_variance)]
    batch, weights = samples(), samples(seed=2)
    to_gamma, to_beta = map(np.asarray, gradients(fast, batch, weights, [norm.gamma, norm.beta]))

    mean, variance = (keras.ops.convert_to_numpy(each) for each in (norm.moving_mean, norm.moving_variance))
    centred = (batch - mean) / np.sqrt(variance + norm.epsilon)
    np.testing.assert_allclose(to_gamma, (weights * centred).sum((0, 1, 2)), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(to_beta, weights.sum((0, 1, 2)), rtol=1e-4, atol=1e-3)
    after = [keras.ops.convert_to_numpy(each).tobytes() for each in (norm.moving_mean, norm.moving_variance)]
    assert after == before


def test_in_training_mode_the_stock_layer_runs_and_its_statistics_move(rules):
    stock, form = layers.BatchNormalization(), layers.BatchNormalization()
    expected = single(stock)
    fast = lowered(single(form), rules)
    batch = {"x": samples()}
    wanted, given = (keras.ops.convert_to_numpy(each.model(batch, training=True)["y"]) for each in (expected, fast))

    np.testing.assert_allclose(given, wanted, atol=1e-6)
    for ours, theirs in zip(form.weights, stock.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert np.abs(keras.ops.convert_to_numpy(given)).mean() > 0.1


def test_a_layer_that_must_not_train_keeps_its_statistics_in_training_mode_too(rules):
    norm = layers.BatchNormalization(trainable=False)
    stage = single(norm)
    fast = lowered(stage, rules)
    batch = {"x": samples()}
    before = keras.ops.convert_to_numpy(norm.moving_mean).copy()
    given, expected = (keras.ops.convert_to_numpy(each.model(batch, training=True)["y"]) for each in (fast, stage))
    np.testing.assert_allclose(given, expected, atol=1e-5)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(norm.moving_mean), before)


def test_a_norm_that_a_convolution_takes_in_is_left_to_it(rules):
    inputs = keras.Input((8, 8, 3), name="x")
    outputs = layers.BatchNormalization()(layers.Conv2D(4, 3, use_bias=False)(inputs))
    fast = lowered(Stage("only", keras.Model({"x": inputs}, {"y": outputs})), rules)
    forms = [type(layer).__name__ for layer in fast.model.layers[1:]]
    assert forms == (["TorchConvolution"] if keras.backend.backend() == "torch" else ["OrderedConvolution", FORM])
