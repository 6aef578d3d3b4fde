"""Ridge paths from one eigendecomposition: the normal equations, scikit-learn, and refits without each sample."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from headstart.engine.linear.pca import eigenbasis_of, leave_out, ridge_weights
from headstart.engine.linear.rows import Part, Rows
from headstart.errors import DataError

STRENGTHS = (10.0, 0.1, 1e-3)
FEW, MANY = (40, 90), (200, 30)


def values(targets):
    return np.eye(3)[targets["class"]]


def of(targets):
    return {"class": targets}


def sample(count, channels, offset=0.0, seed=0):
    random = np.random.default_rng(seed)
    targets = random.integers(0, 3, count)
    features = random.normal(size=(3, channels))[targets] + random.normal(size=(count, channels))
    return (offset + features * random.uniform(0.1, 3, channels)).astype(np.float32), targets


def rows_of(features, targets, cut):
    return Rows((Part((features[:cut],), of(targets[:cut])), Part((features[cut:],), of(targets[cut:]))))


def scaled(features):
    """Features as the scaling documents them: population deviation, at least the root mean square of all."""
    wide = features.astype(np.float64)
    deviation = wide.std(0)
    return (wide - wide.mean(0)) / np.maximum(deviation, np.sqrt((deviation**2).mean()))


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("shape", [FEW, MANY])
def test_the_path_equals_the_normal_equations_and_scikit_learn(shape, offset):
    features, targets = sample(*shape, offset=offset)
    spectrum = eigenbasis_of(rows_of(features, targets, 11), values)
    inputs, outputs = scaled(features), values(of(targets))
    for strength in STRENGTHS:
        kernel = spectrum.basis @ ridge_weights(spectrum, strength)
        penalty = len(inputs) * strength
        normal = np.linalg.solve(inputs.T @ inputs + penalty * np.eye(shape[1]), inputs.T @ (outputs - outputs.mean(0)))
        assert normal.std() > 1e-3
        np.testing.assert_allclose(kernel, normal, atol=1e-6 * np.abs(normal).max())
        reference = Ridge(alpha=penalty, tol=1e-12).fit(inputs, outputs)
        answers = spectrum.project(features) @ ridge_weights(spectrum, strength) + spectrum.target_mean
        np.testing.assert_allclose(answers, reference.predict(inputs), atol=1e-6)


@pytest.mark.parametrize("shape", [FEW, MANY])
def test_folded_weights_answer_raw_features_and_unfold_again(shape):
    features, targets = sample(*shape, offset=5.0)
    spectrum = eigenbasis_of(rows_of(features, targets, 7), values)
    weights, bias = ridge_weights(spectrum, 0.1), spectrum.target_mean
    kernel, folded = spectrum.fold(weights, bias)
    assert (kernel.dtype, folded.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(features @ kernel + folded, spectrum.project(features) @ weights + bias, atol=1e-4)
    again, shifted = spectrum.unfold(kernel, folded)
    np.testing.assert_allclose(again, weights, atol=1e-6)
    np.testing.assert_allclose(shifted, bias, atol=1e-5)


def test_scores_are_the_rows_along_the_axes():
    features, targets = sample(*FEW)
    spectrum = eigenbasis_of(rows_of(features, targets, 11), values)
    np.testing.assert_allclose(spectrum.scores, spectrum.project(features), atol=1e-5)
    np.testing.assert_allclose(spectrum.basis.T @ spectrum.basis, np.eye(len(spectrum.values)), atol=1e-8)
    assert eigenbasis_of(rows_of(*sample(*MANY), 11), values).scores is None


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("shape", [(12, 50), (60, 8)])
def test_left_out_answers_equal_refits_without_each_sample(shape, views):
    features, targets = sample(*shape)
    random = np.random.default_rng(1)
    seen = [features, *(features + 0.1 * random.normal(size=shape).astype(np.float32) for _ in range(views - 1))]
    rows = Rows((Part(tuple(seen), of(targets)),))
    spectrum = eigenbasis_of(rows, values)
    left = leave_out(spectrum, rows, values, STRENGTHS, limit=1000)
    assert np.array_equal(left.targets["class"], targets)
    inputs = np.stack([spectrum.project(view) for view in seen], axis=1)
    for index in range(0, len(features), 5):
        kept = np.arange(len(features)) != index
        x, y = inputs[kept].reshape(-1, inputs.shape[2]), np.repeat(values(of(targets[kept])), views, axis=0)
        for answers, strength in zip(left.answers, STRENGTHS, strict=True):
            reference = Ridge(alpha=strength * len(rows), solver="cholesky").fit(x, y)
            np.testing.assert_allclose(answers[index], reference.predict(inputs[index, :1])[0], atol=1e-6)
    assert left.answers[1].std() > 0.01


def test_no_more_samples_are_asked_than_allowed_evenly_spaced():
    features, targets = sample(100, 5)
    rows = rows_of(features, targets, 50)
    spectrum = eigenbasis_of(rows, values)
    whole, some = (leave_out(spectrum, rows, values, STRENGTHS, limit) for limit in (100, 40))
    picked = np.r_[np.arange(0, 50, 3), np.arange(50, 100, 3)]
    np.testing.assert_allclose(some.answers, whole.answers[:, picked], atol=1e-12)
    assert np.array_equal(some.targets["class"], targets[picked])


@pytest.mark.parametrize("shape", [FEW, MANY])
def test_a_channel_that_is_not_finite_is_named(shape):
    features, targets = sample(*shape)
    features[3, 7] = np.nan
    with np.errstate(invalid="ignore"), pytest.raises(DataError, match="channel 7 first"):
        eigenbasis_of(rows_of(features, targets, 5), values)


def test_the_same_rows_give_the_same_bits():
    features, targets = sample(*MANY)
    one, other = (eigenbasis_of(rows_of(features, targets, 64), values) for _ in range(2))
    assert np.array_equal(one.basis, other.basis)
    assert np.array_equal(one.cross, other.cross)
