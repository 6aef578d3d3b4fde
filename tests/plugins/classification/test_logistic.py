"""The closed-form head is the optimum of the stated objective, folded back to raw features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from headstart.errors import DataError
from headstart_plugins.classification._build import Classification


def sample(classes, seed=0, count=120, channels=12):
    random = np.random.default_rng(seed)
    targets = np.arange(count, dtype=np.int32) % classes
    centres = random.normal(size=(classes, channels))
    features = centres[targets] + random.normal(size=(count, channels)) * 1.5
    features = features * random.uniform(0.01, 30, channels) + random.normal(size=channels) * 5
    return features.astype(np.float32), targets


def named(classes):
    return Classification(tuple(str(index) for index in range(classes)))


def scaling(features):
    """Mean and scale of each channel: its deviation, at least the root mean square of all of them."""
    deviation = features.std(0, dtype=np.float64)
    return features.mean(0, dtype=np.float64), np.maximum(deviation, np.sqrt((deviation**2).mean()))


def objective(parameters, values, targets, strength):
    weights, bias = parameters[:-1], parameters[-1]
    loss = -log_softmax(values @ weights + bias, axis=1)[np.arange(len(targets)), targets].mean()
    return loss + strength / 2 * np.sum(weights**2)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("strength", [1e-3, 0.1, 3.0])
def test_the_gradient_of_the_stated_objective_vanishes(classes, strength):
    features, targets = sample(classes)
    solved = named(classes).solve(features, targets, strength)
    mean, scale = scaling(features)
    values = (features - mean) / scale
    weights = solved["kernel"] * scale[:, None]
    bias = solved["bias"] + mean @ solved["kernel"]
    residual = (softmax(values @ weights + bias, axis=1) - np.eye(classes)[targets]) / len(targets)
    assert np.abs(values.T @ residual + strength * weights).max() < 2e-6
    assert np.abs(residual.sum(0)).max() < 2e-6

    best = objective(np.vstack([weights, bias]), values, targets, strength)
    random = np.random.default_rng(1)
    for size in (1e-2, 1e-1):
        moved = np.vstack([weights, bias]) + size * random.normal(size=(len(weights) + 1, classes))
        assert objective(moved, values, targets, strength) > best


def test_probabilities_equal_those_of_scikit_learn_on_scaled_features():
    features, targets = sample(5)
    strength = 0.02
    mean, scale = scaling(features)
    values = (features - mean) / scale
    reference = LogisticRegression(C=1 / (strength * len(targets)), tol=1e-9, max_iter=5000).fit(values, targets)
    solved = named(5).solve(features, targets, strength)
    expected = reference.predict_proba(values)
    assert expected.std() > 0.01
    assert softmax(features @ solved["kernel"] + solved["bias"], axis=1) == pytest.approx(expected, abs=1e-4)


def test_shapes_and_dtypes_are_those_of_a_dense_layer():
    features, targets = sample(2)
    solved = named(2).solve(features, targets, 0.1)
    assert {role: (array.shape, array.dtype.name) for role, array in solved.items()} == {
        "kernel": ((12, 2), "float32"),
        "bias": ((2,), "float32"),
    }


def test_a_channel_that_was_silent_in_training_cannot_shout_later():
    features, targets = sample(3)
    features[:, 4] = 0
    features[7, 4] = 1e-6
    solved = named(3).solve(features, targets, 1e-4)
    loud = features[:1].copy()
    loud[0, 4] = features.std()
    change = (loud - features[:1]) @ solved["kernel"]
    assert np.abs(change).max() < 0.01


def test_features_that_are_all_constant_give_the_class_frequencies():
    targets = np.array([0, 0, 0, 1], np.int32)
    solved = named(2).solve(np.full((4, 3), 0.37, np.float32), targets, 0.1)
    logits = np.full((1, 3), 0.37, np.float32) @ solved["kernel"] + solved["bias"]
    assert softmax(logits, axis=1)[0] == pytest.approx([0.75, 0.25], abs=1e-4)


def test_a_class_without_training_samples_is_named():
    features, targets = sample(2)
    with pytest.raises(DataError, match="'owl'"):
        Classification(("cat", "dog", "owl")).solve(features, targets, 0.1)
