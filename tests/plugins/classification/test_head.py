"""Heads and loss, on each backend."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss

from headstart.errors import UsageError
from headstart_plugins.classification._balance import Balance
from headstart_plugins.classification._build import Classification

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

POOLED = {"pooled": (None, 6)}
TOP_MAP = {"map@32": (None, 2, 3, 4)}
TASK = Classification(("a", "b", "c"))


def answer(model, features, name="pooled"):
    import keras

    return keras.ops.convert_to_numpy(model({name: features})["logits"])


def weights_of(model):
    from headstart.engine.network.stages import read_arrays
    from headstart.specs import Stage

    return read_arrays([Stage("head", model)])


def test_a_linear_head_computes_features_times_kernel_from_a_seed_that_numpy_draws():
    model = TASK.head("linear", POOLED, seed=3)
    arrays = weights_of(model)
    assert {name: array.shape for name, array in arrays.items()} == {
        "head/0/kernel": (6, 3),
        "head/0/bias": (3,),
    }
    limit = np.sqrt(6 / 9)
    drawn = np.random.default_rng((3, 0)).uniform(-limit, limit, (6, 3)).astype(np.float32)
    np.testing.assert_array_equal(arrays["head/0/kernel"], drawn)
    assert not arrays["head/0/bias"].any()
    features = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    np.testing.assert_allclose(answer(model, features), features @ drawn, atol=1e-5)


@pytest.mark.parametrize(("name", "width"), [("mlp", 512), ("mlp:16", 16)])
def test_an_mlp_head_has_one_hidden_layer_of_the_given_width(name, width):
    model = TASK.head(name, POOLED, seed=0)
    arrays = weights_of(model)
    assert arrays["head/0/kernel"].shape == (6, width)
    assert arrays["head/1/kernel"].shape == (width, 3)
    features = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    hidden = np.maximum(features @ arrays["head/0/kernel"], 0)
    np.testing.assert_allclose(answer(model, features), hidden @ arrays["head/1/kernel"], atol=1e-4)


def test_the_numbers_of_an_mlp_head_are_the_widths_of_its_hidden_layers():
    arrays = weights_of(TASK.head("mlp:5,4", POOLED, seed=0))
    kernels = [array for name, array in arrays.items() if name.endswith("kernel")]
    assert [kernel.shape for kernel in kernels] == [(6, 5), (5, 4), (4, 3)]
    hidden = features = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    for kernel in kernels[:-1]:
        hidden = np.maximum(hidden @ kernel, 0)
    expected = hidden @ kernels[-1]
    assert expected.std() > 0.01
    np.testing.assert_allclose(answer(TASK.head("mlp:5,4", POOLED, seed=0), features), expected, atol=1e-5)


@pytest.mark.parametrize(("name", "widths"), [("flatten", ()), ("flatten:5", (5,)), ("flatten:5,4", (5, 4))])
def test_a_flatten_head_reads_the_top_map_by_height_then_width_then_channel(name, widths):
    model = TASK.head(name, TOP_MAP, seed=0)
    arrays = weights_of(model)
    sizes = [2 * 3 * 4, *widths, 3]
    kernels = [arrays[f"head/{place}/kernel"] for place in range(len(sizes) - 1)]
    assert [kernel.shape for kernel in kernels] == list(pairwise(sizes))
    features = np.random.default_rng(0).normal(size=(4, 2, 3, 4)).astype(np.float32)
    hidden = np.stack([features[:, y, x, c] for y in range(2) for x in range(3) for c in range(4)], axis=1)
    for kernel in kernels[:-1]:
        hidden = np.maximum(hidden @ kernel, 0)
    expected = hidden @ kernels[-1]
    assert expected.std() > 0.01
    np.testing.assert_allclose(answer(model, features, "map@32"), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(None, None, None, 4), (None, 2, None, 4), (None, 4)])
def test_a_flatten_head_refuses_a_map_whose_size_is_unknown_by_name(shape):
    with pytest.raises(UsageError, match="'flatten:8' needs the feature 'map@32' of shape"):
        TASK.head("flatten:8", {"map@32": shape}, seed=0)


DROPPED = [("mlp:64", POOLED, 2), ("linear", POOLED, 1), ("flatten", TOP_MAP, 1), ("flatten:8,8", TOP_MAP, 3)]


@pytest.mark.parametrize(("name", "shapes", "layers"), DROPPED)
def test_dropout_acts_in_training_only_and_owns_no_stored_weight(name, shapes, layers):
    model = Classification(("a", "b", "c"), dropout=0.5).head(name, shapes, seed=0)
    assert list(weights_of(model)) == [f"head/{n}/{role}" for n in range(layers) for role in ("kernel", "bias")]
    ((feature, shape),) = shapes.items()
    features = np.ones((2, *shape[1:]), np.float32)
    np.testing.assert_array_equal(answer(model, features, feature), answer(model, features, feature))
    trained = model({feature: features}, training=True)["logits"]
    assert not np.allclose(np.asarray(trained.tolist()), answer(model, features, feature))


def test_dropout_follows_each_hidden_layer_and_leaves_out_other_units_in_each():
    import keras

    model = Classification(("a", "b", "c"), dropout=0.5).head("mlp:2000,2000", POOLED, seed=0)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["InputLayer", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    ones = keras.ops.ones((1, 2000))
    first, second = (
        keras.ops.convert_to_numpy(layer(ones, training=True))[0] > 0 for layer in (model.layers[2], model.layers[4])
    )
    assert abs((first == second).mean() - 0.5) < 0.05  # 4.5 deviations of a share of 2,000 coins


def test_solved_weights_fit_the_linear_head_and_give_the_same_logits():
    from headstart.engine.linear.rows import Part, Rows
    from headstart.engine.network.stages import assign_arrays
    from headstart.specs import Stage

    random = np.random.default_rng(0)
    targets = np.arange(60, dtype=np.int32) % 3
    features = (random.normal(size=(60, 6)) + targets[:, None]).astype(np.float32)
    *_, best = TASK.solve(Rows((Part((features,), {"class": targets}),)), (0.01,))
    solved = best.weights
    model = TASK.head("linear", POOLED, seed=0)
    named = {f"head/0/{role}": array for role, array in solved.items()}
    assign_arrays([Stage("head", model)], named, source="the solver")
    expected = features @ solved["kernel"] + solved["bias"]
    assert expected.std() > 0.01
    np.testing.assert_allclose(answer(model, features), expected, atol=1e-4 * max(1, expected.std()))


def test_the_loss_is_minus_log_softmax_of_the_target_even_for_extreme_logits():
    random = np.random.default_rng(0)
    logits = random.normal(size=(8, 3)).astype(np.float32) * np.array([[1], [10], [100], [1000]] * 2, np.float32)
    targets = np.array([0, 1, 2, 0, 1, 2, 0, 1], np.int32)
    loss = loss_of(TASK, targets, logits)
    expected = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(8), targets]
    assert loss.shape == (8,)
    assert loss.dtype == np.float32
    assert expected.std() > 0.01
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-4)


OTHERS = ["conv", "linear:3", "mlp:", "mlp:wide", "mlp:0", "mlp:-4", "mlp:4,", "flatten:0", "flatten:a"]


@pytest.mark.parametrize("name", OTHERS)
def test_other_heads_are_refused_by_name(name):
    with pytest.raises(UsageError, match=name):
        TASK.head(name, POOLED, seed=0)


def loss_of(task, targets, logits, training=True):
    import keras

    tensors = {"class": keras.ops.convert_to_tensor(targets)}, {"logits": keras.ops.convert_to_tensor(logits)}
    return keras.ops.convert_to_numpy(task.loss(*tensors, training=training))


LOGITS = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
TARGETS = np.array([0, 1, 2, 2, 1, 0], np.int32)
COUNTS = np.array([6, 3, 1])


def test_a_smoothed_loss_spreads_a_share_of_the_target():
    smooth = np.eye(3)[TARGETS] * 0.8 + 0.2 / 3
    expected = -(smooth * log_softmax(LOGITS.astype(np.float64), axis=1)).sum(1)
    task = Classification(("a", "b", "c"), label_smoothing=0.2)
    np.testing.assert_allclose(loss_of(task, TARGETS, LOGITS), expected, rtol=1e-5)


def test_weights_multiply_and_adjustment_shifts():
    plain = -log_softmax(LOGITS.astype(np.float64), axis=1)[np.arange(6), TARGETS]
    weighted = balanced("class_weights")
    np.testing.assert_allclose(loss_of(weighted, TARGETS, LOGITS), plain * (10 / (3 * COUNTS))[TARGETS], rtol=1e-5)
    shifted = -log_softmax(LOGITS + np.log(COUNTS / 10), axis=1)[np.arange(6), TARGETS]
    np.testing.assert_allclose(loss_of(balanced("logit_adjustment"), TARGETS, LOGITS), shifted, rtol=1e-5)
    np.testing.assert_allclose(loss_of(balanced("sampling"), TARGETS, LOGITS), plain, rtol=1e-5)


@pytest.mark.parametrize("balance", ["none", "class_weights", "logit_adjustment"])
def test_a_loss_of_mixed_targets_is_the_mean_of_both_losses(balance):
    """In a weighted one each part has the weight of its own class, or rare classes would lose some of theirs."""
    task, partners, shares = balanced(balance), TARGETS[::-1].copy(), np.linspace(0, 1, 6, dtype=np.float32)
    mixed = loss_of(task, task.mix({"class": TARGETS}, {"class": partners}, shares)["class"], LOGITS)
    own, other = (loss_of(task, each, LOGITS) for each in (TARGETS, partners))
    expected = shares * own + (1 - shares) * other
    np.testing.assert_allclose(mixed, expected, rtol=1e-4, atol=1e-5)


def test_without_training_nothing_regularises_and_an_adjustment_stays():
    """What is told of val is the plain loss, or that of the adjusted logits, as log_loss has it."""
    probability = softmax(LOGITS.astype(np.float64), axis=1)
    for task in (Classification(("a", "b", "c"), label_smoothing=0.3), balanced("class_weights"), balanced("sampling")):
        losses = loss_of(task, TARGETS, LOGITS, training=False)
        assert losses.mean() == pytest.approx(log_loss(TARGETS, probability), rel=1e-6)
    shifted = softmax(LOGITS + np.log(COUNTS / 10), axis=1)
    adjusted = loss_of(balanced("logit_adjustment"), TARGETS, LOGITS, training=False)
    assert adjusted.mean() == pytest.approx(log_loss(TARGETS, shifted), rel=1e-6)


def test_samples_are_alike_by_the_shares_of_classes_that_they_have_in_common():
    import keras

    mixed = TASK.mix({"class": TARGETS[:3]}, {"class": TARGETS[2:5]}, np.array([1.0, 0.75, 0.5], np.float32))["class"]
    for targets, shares in ((TARGETS, np.eye(3)[TARGETS]), (mixed, mixed)):
        found = TASK.likeness({"class": keras.ops.convert_to_tensor(targets)})
        expected = [[sum(one * other) for other in shares] for one in shares]
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, atol=1e-6)


def balanced(balance):
    counts = () if balance == "none" else tuple(COUNTS.tolist())
    return Classification(("a", "b", "c"), balance=Balance(balance, 1.0, counts))


def test_a_feature_of_another_shape_is_refused():
    with pytest.raises(UsageError, match="pooled"):
        TASK.head("linear", {"map@8": (None, 4, 4, 6)}, seed=0)
