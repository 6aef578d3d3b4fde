"""What the task tries on frozen features: one ridge with honest probabilities, and a path of logistic regressions."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.linear_model import Ridge

from headstart.engine.linear.rows import Part, Rows
from headstart.specs import Solved
from headstart_plugins.classification._build import Classification

TASK = Classification(("a", "b", "c", "d"))
STRENGTHS = (1e-3, 1.0, 0.01, 0.1)


def sample(count=90, channels=30, seed=0, noise=1.5):
    random = np.random.default_rng(seed)
    targets = np.arange(count, dtype=np.int32) % 4
    centres = np.random.default_rng(9).normal(size=(4, channels))
    return (centres[targets] + noise * random.normal(size=(count, channels))).astype(np.float32), targets


def rows_of(features, targets):
    return Rows((Part((features,), {"class": targets}),))


def cross_entropy(logits, targets):
    return -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(targets)), targets].mean()


def softened(answers, outputs):
    """Cross-entropy of scaled answers, each indicator having given up 1 / (samples + 2) to all classes."""
    share = 1 / (len(outputs) + 2)
    soft = (1 - share) * outputs + share / outputs.shape[1]
    return lambda log: -(soft * log_softmax(np.exp(log) * answers, axis=1)).sum(1).mean()


def test_a_ridge_comes_first_then_regressions_from_the_strongest_on():
    solved = list(TASK.solve(rows_of(*sample()), STRENGTHS))
    assert [one.solver for one in solved] == ["ridge", *["logistic"] * 4]
    assert [one.strength for one in solved[1:]] == sorted(STRENGTHS, reverse=True)
    assert solved[0].strength in STRENGTHS


def test_the_ridges_strength_and_scale_are_the_best_for_samples_left_out():
    """By refits of scikit-learn's ridge without each sample in turn, on features scaled once."""
    features, targets = sample()
    deviation = features.std(0, dtype=np.float64)
    scale = np.maximum(deviation, np.sqrt((deviation**2).mean()))
    inputs, outputs = (features - features.mean(0, dtype=np.float64)) / scale, np.eye(4)[targets]
    tried = {}
    for strength in STRENGTHS:
        answers = np.empty((len(inputs), 4))
        for index in range(len(inputs)):
            kept = np.arange(len(inputs)) != index
            model = Ridge(alpha=strength * len(inputs)).fit(inputs[kept], outputs[kept])
            answers[index] = model.predict(inputs[index : index + 1])[0]
        best = minimize_scalar(softened(answers, outputs), bounds=(-3, 9))
        tried[strength] = best.fun, np.exp(best.x)
    chosen = min(tried, key=lambda strength: tried[strength][0])

    (ridge, *_) = TASK.solve(rows_of(features, targets), STRENGTHS)
    assert ridge.strength == chosen
    expected = tried[chosen][1] * Ridge(alpha=chosen * len(inputs)).fit(inputs, outputs).predict(inputs)
    logits = features @ ridge.weights["kernel"] + ridge.weights["bias"]
    assert expected.std() > 0.01
    np.testing.assert_allclose(logits, expected, atol=2e-3 * expected.std())


@pytest.mark.parametrize("noise", [0.8, 1.5, 3.0])
def test_the_ridges_probabilities_are_honest_on_new_samples(noise):
    """Scaling its logits by any other factor helps little; as they come from least squares it helps a lot."""
    (ridge, *_) = TASK.solve(rows_of(*sample(noise=noise)), STRENGTHS)
    features, targets = sample(count=2000, seed=1, noise=noise)
    logits = features @ ridge.weights["kernel"] + ridge.weights["bias"]
    best = minimize_scalar(lambda log: cross_entropy(np.exp(log) * logits, targets), bounds=(-3, 3)).fun
    assert cross_entropy(logits, targets) < best + 0.02
    assert cross_entropy(logits / np.ptp(logits, axis=1).mean(), targets) > best + 0.1


@pytest.mark.parametrize("which", [0, 3])
def test_solving_again_on_the_same_rows_changes_next_to_nothing(which):
    features, targets = sample()
    rows = rows_of(features, targets)
    solved = list(TASK.solve(rows, STRENGTHS))[which]
    again = TASK.solve_again(rows, solved)
    assert (again.solver, again.strength) == (solved.solver, solved.strength)
    probabilities = [
        np.exp(log_softmax(features @ one.weights["kernel"] + one.weights["bias"], axis=1)) for one in (solved, again)
    ]
    np.testing.assert_allclose(probabilities[1], probabilities[0], atol=1e-3)


def test_solving_again_on_more_rows_is_solving_there():
    first, more = rows_of(*sample()), rows_of(*sample(seed=3))
    path = list(TASK.solve(first, STRENGTHS))
    whole = first + more
    direct = {one.strength: one for one in TASK.solve(whole, STRENGTHS) if one.solver == "logistic"}
    again = TASK.solve_again(whole, path[2])
    features = np.concatenate([block for block, _ in whole.blocks()])
    got, expected = (features @ one.weights["kernel"] for one in (again, direct[again.strength]))
    assert expected.std() > 0.1
    np.testing.assert_allclose(got, expected, atol=5e-3 * expected.std())
    assert np.abs(features @ path[2].weights["kernel"] - expected).max() > 0.1 * expected.std()


def test_the_same_rows_give_the_same_bits():
    for count, channels in ((40, 60), (90, 30)):
        features, targets = sample(count, channels)
        paths = [list(TASK.solve(rows_of(features, targets), STRENGTHS)) for _ in range(2)]
        for one, other in zip(*paths, strict=True):
            assert np.array_equal(one.weights["kernel"], other.weights["kernel"])
            assert np.array_equal(one.weights["bias"], other.weights["bias"])


def test_equal_strengths_are_tried_once():
    assert len(list(TASK.solve(rows_of(*sample()), (0.1, 0.1, 0.1)))) == 2


@pytest.mark.slow
def test_memory_does_not_hold_the_rows(tmp_path, monkeypatch):
    """200 MB of mapped features, with nothing to be kept between evaluations."""
    from headstart_plugins._heads import logistic

    monkeypatch.setattr(logistic, "CACHE_LIMIT", 0)
    count, channels = 200_000, 256
    path = tmp_path / "features.npy"
    written = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, channels))
    for start in range(0, count, 20_000):
        written[start : start + 20_000], targets = sample(20_000, channels, seed=start, noise=4.0)
    written.flush()
    targets = np.tile(targets, count // 20_000)
    rows = Rows((Part((np.load(path, mmap_mode="r"),), {"class": targets}),))
    tracemalloc.start()
    solved: list[Solved] = list(TASK.solve(rows, (1.0, 0.1)))
    TASK.solve_again(rows, solved[-1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written.nbytes > 200e6
    assert peak < 60e6
    accuracy = [
        np.mean((written[:9000] @ one.weights["kernel"] + one.weights["bias"]).argmax(1) == targets[:9000])
        for one in solved
    ]
    assert min(accuracy) > 0.9
