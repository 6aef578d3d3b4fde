"""Solved heads: each logistic regression is the optimum of the stated objective, folded back to raw features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from headstart.engine.linear.pca import eigenbasis_of
from headstart.engine.linear.rows import Part, Rows
from headstart.errors import DataError
from headstart_plugins._heads import logistic
from headstart_plugins._heads.logistic import Softmax, Weights, fit_logistic, make_design
from headstart_plugins.classification._build import Classification

FEW, TURNED, MANY = (30, 50), (120, 40), (120, 12)


def sample(classes, seed=0, count=120, channels=12):
    random = np.random.default_rng(seed)
    targets = np.arange(count, dtype=np.int32) % classes
    centres = random.normal(size=(classes, channels))
    features = centres[targets] + random.normal(size=(count, channels)) * 1.5
    features = features * random.uniform(0.01, 30, channels) + random.normal(size=channels) * 5
    return features.astype(np.float32), targets


def named(classes):
    return Classification(tuple(str(index) for index in range(classes)))


def rows_of(features, targets):
    return Rows((Part((features[:17],), {"class": targets[:17]}), Part((features[17:],), {"class": targets[17:]})))


def solve(features, targets, strength, classes):
    """Kernel and bias of the logistic regression at one strength, as the task gives it."""
    ridge, logistic = named(classes).solve(rows_of(features, targets), (strength,))
    assert (ridge.solver, logistic.solver, logistic.strength) == ("ridge", "logistic", strength)
    return logistic.weights


def optimum(features, targets, strength, classes, start=None):
    """Kernel (channel, class) on scaled features, by the solver at its tightest."""
    rows = rows_of(features, targets)
    spectrum = eigenbasis_of(rows, named(classes).values)
    start = start or Weights(np.zeros((len(spectrum.values), classes)), np.zeros(classes))
    return (
        spectrum.basis
        @ fit_logistic(
            make_design(rows, rows.targets["class"], spectrum, Softmax()), start, strength, excess=1e-20
        ).kernel
    )


def scaling(features):
    """Mean and scale of each channel: its deviation, at least the root mean square of all of them."""
    deviation = features.std(0, dtype=np.float64)
    return features.mean(0, dtype=np.float64), np.maximum(deviation, np.sqrt((deviation**2).mean()))


def scikit_learn(features, targets, strength, classes):
    """The kernel of scikit-learn's own regression on scaled features, two classes as two columns of least norm."""
    mean, scale = scaling(features)
    halves = 2 if classes == 2 else 1
    model = LogisticRegression(C=halves / (strength * len(targets)), tol=1e-12, max_iter=10000, solver="newton-cg")
    kernel = model.fit((features - mean) / scale, targets).coef_.T
    return np.hstack([-kernel, kernel]) / 2 if classes == 2 else kernel


def objective(parameters, values, targets, strength):
    weights, bias = parameters[:-1], parameters[-1]
    loss = -log_softmax(values @ weights + bias, axis=1)[np.arange(len(targets)), targets].mean()
    return loss + strength / 2 * np.sum(weights**2)


@pytest.mark.parametrize("strength", [1.0, 1e-2])
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("shape", [FEW, TURNED, MANY])
def test_the_solver_reaches_scikit_learns_optimum(shape, classes, strength):
    features, targets = sample(classes, count=shape[0], channels=shape[1])
    expected = scikit_learn(features, targets, strength, classes)
    assert expected.std() > 0.005
    np.testing.assert_allclose(optimum(features, targets, strength, classes), expected, atol=2e-6)


@pytest.mark.parametrize("shape", [FEW, MANY])
def test_the_start_does_not_matter(shape):
    features, targets = sample(3, count=shape[0], channels=shape[1])
    axes = len(eigenbasis_of(rows_of(features, targets), named(3).values).values)
    random = np.random.default_rng(1)
    far = Weights(random.normal(size=(axes, 3)), np.zeros(3))
    expected = optimum(features, targets, 0.1, 3)
    np.testing.assert_allclose(optimum(features, targets, 0.1, 3, far), expected, atol=1e-6)


@pytest.mark.parametrize("limit", [120 * 40 * 4, 0])
def test_rows_beyond_the_cache_are_solved_in_single_precision(monkeypatch, limit):
    """Kept as float32, or scaled anew at each evaluation."""
    features, targets = sample(5, channels=40)
    expected = optimum(features, targets, 0.01, 5)
    monkeypatch.setattr(logistic, "CACHE_LIMIT", limit)
    rows = rows_of(features, targets)
    design = make_design(rows, rows.targets["class"], eigenbasis_of(rows, named(5).values), Softmax())
    assert {block.dtype.name for block in design.blocks()} == {"float32"}
    assert isinstance(design.blocks(), list) == (limit > 0)
    np.testing.assert_allclose(optimum(features, targets, 0.01, 5), expected, atol=5e-4 * np.abs(expected).max())


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("strength", [1e-3, 0.1, 3.0])
def test_the_gradient_of_the_stated_objective_all_but_vanishes(classes, strength):
    features, targets = sample(classes)
    solved = solve(features, targets, strength, classes)
    mean, scale = scaling(features)
    values = (features - mean) / scale
    weights = solved["kernel"] * scale[:, None]
    bias = solved["bias"] + mean @ solved["kernel"]
    residual = (softmax(values @ weights + bias, axis=1) - np.eye(classes)[targets]) / len(targets)
    assert np.abs(values.T @ residual + strength * weights).max() < 1e-3
    assert np.abs(residual.sum(0)).max() < 1e-4

    best = objective(np.vstack([weights, bias]), values, targets, strength)
    random = np.random.default_rng(1)
    for size in (1e-3, 1e-2, 1e-1):
        moved = np.vstack([weights, bias]) + size * random.normal(size=(len(weights) + 1, classes))
        assert objective(moved, values, targets, strength) > best


def test_probabilities_equal_those_of_scikit_learn_on_scaled_features():
    features, targets = sample(5)
    strength = 0.02
    mean, scale = scaling(features)
    values = (features - mean) / scale
    reference = LogisticRegression(C=1 / (strength * len(targets)), tol=1e-9, max_iter=5000).fit(values, targets)
    solved = solve(features, targets, strength, 5)
    expected = reference.predict_proba(values)
    assert expected.std() > 0.01
    assert softmax(features @ solved["kernel"] + solved["bias"], axis=1) == pytest.approx(expected, abs=1e-3)


def test_shapes_and_dtypes_are_those_of_a_dense_layer():
    features, targets = sample(2)
    solved = solve(features, targets, 0.1, 2)
    assert {role: (array.shape, array.dtype.name) for role, array in solved.items()} == {
        "kernel": ((12, 2), "float32"),
        "bias": ((2,), "float32"),
    }


def test_a_channel_that_was_silent_in_training_cannot_shout_later():
    features, targets = sample(3)
    features[:, 4] = 0
    features[7, 4] = 1e-6
    solved = solve(features, targets, 1e-4, 3)
    loud = features[:1].copy()
    loud[0, 4] = features.std()
    change = (loud - features[:1]) @ solved["kernel"]
    assert np.abs(change).max() < 0.01


def test_features_that_are_all_constant_give_the_class_frequencies():
    targets = np.array([0, 0, 0, 1], np.int32)
    solved = solve(np.full((4, 3), 0.37, np.float32), targets, 0.1, 2)
    logits = np.full((1, 3), 0.37, np.float32) @ solved["kernel"] + solved["bias"]
    assert softmax(logits, axis=1)[0] == pytest.approx([0.75, 0.25], abs=1e-4)


def test_a_class_without_training_samples_is_named():
    features, targets = sample(2)
    with pytest.raises(DataError, match="'owl'"):
        Classification(("cat", "dog", "owl")).solve(rows_of(features, targets), (0.1,))
