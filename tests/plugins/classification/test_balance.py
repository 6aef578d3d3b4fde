"""Classes of different sizes: one mechanism evens them out, measured on the training split alone."""

from __future__ import annotations

import numpy as np
import pytest
from answers import evaluated
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from headstart.engine.linear.rows import Part, Rows
from headstart.errors import DataError
from headstart.options import parse_options
from headstart.specs import TaskRequest
from headstart_plugins.classification import ClassificationOptions
from headstart_plugins.classification._build import build

COUNTS = (90, 30, 12)
TARGETS = np.repeat(np.arange(3, dtype=np.int32), COUNTS)


def task(balance, tau=1.0, **options):
    chosen = ClassificationOptions(balance=balance, tau=tau, **options)
    made = build(TaskRequest(chosen, targets=["a", "b", "c"]))
    return made.fitted({"class": TARGETS}), chosen


def sample(seed=0, channels=6):
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(5).normal(size=(3, channels))
    features = (centres[TARGETS] + 1.3 * random.normal(size=(len(TARGETS), channels))).astype(np.float32)
    return features, Rows((Part((features,), {"class": TARGETS}),))


def standard(features):
    """Scaled as the solver scales: by each channel's deviation, at least the root mean square of all of them."""
    deviation = features.std(0, dtype=np.float64)
    return (features - features.mean(0, dtype=np.float64)) / np.maximum(deviation, np.sqrt((deviation**2).mean()))


def logits_of(solved, features):
    return features @ solved.weights["kernel"] + solved.weights["bias"]


@pytest.mark.parametrize("balance", ["class_weights", "sampling"])
def test_a_solved_head_is_scikit_learns_balanced_regression(balance):
    features, rows = sample()
    strength = 0.05
    (solved,) = task(balance)[0].solve(rows, (strength,))
    reference = LogisticRegression(C=1 / (strength * len(TARGETS)), class_weight="balanced", tol=1e-10, max_iter=9999)
    inputs = standard(features)
    expected = log_softmax(reference.fit(inputs, TARGETS).decision_function(inputs), axis=1)
    got = log_softmax(logits_of(solved, features).astype(np.float64), axis=1)
    assert solved.solver == "logistic"
    np.testing.assert_allclose(got, expected, atol=0.02)
    plain = LogisticRegression(C=1 / (strength * len(TARGETS))).fit(inputs, TARGETS).decision_function(inputs)
    assert np.abs(log_softmax(plain, axis=1) - expected).max() > 0.5


def test_logit_adjustment_takes_tau_times_the_log_prior_off_the_bias():
    _, rows = sample()
    plain = list(task("none")[0].solve(rows, (0.05, 0.5)))
    adjusted = list(task("logit_adjustment", tau=1.5)[0].solve(rows, (0.05, 0.5)))
    prior = np.array(COUNTS) / sum(COUNTS)
    for one, other in zip(plain, adjusted, strict=True):
        np.testing.assert_array_equal(one.weights["kernel"], other.weights["kernel"])
        np.testing.assert_allclose(one.weights["bias"] - other.weights["bias"], 1.5 * np.log(prior), atol=1e-6)


@pytest.mark.parametrize("which", [0, 1])
def test_an_adjusted_head_solved_again_is_adjusted_once(which):
    features, rows = sample()
    made = task("logit_adjustment")[0]
    solved = list(made.solve(rows, (0.05,)))[which]
    again = made.solve_again(rows, solved)
    np.testing.assert_allclose(logits_of(again, features), logits_of(solved, features), atol=0.05)


def test_all_mechanisms_find_the_rare_class_more_often():
    features, rows = sample(seed=3)
    recall = {}
    for balance in ("none", "class_weights", "sampling", "logit_adjustment"):
        *_, solved = task(balance)[0].solve(rows, (0.05,))
        recall[balance] = float(np.mean(logits_of(solved, features)[TARGETS == 2].argmax(1) == 2))
    assert min(recall[name] for name in recall if name != "none") > recall["none"] + 0.1


def test_sampling_gives_each_class_the_same_chance_and_the_others_give_none():
    sampling_weights = task("sampling")[0].sampling_weights({"class": TARGETS})
    sums = np.bincount(TARGETS, sampling_weights)
    np.testing.assert_allclose(sums, sums[0])
    assert all(
        task(other)[0].sampling_weights({"class": TARGETS}) is None
        for other in ("none", "class_weights", "logit_adjustment")
    )


def test_the_loss_metric_and_the_primary_metric_weigh_classes_alike_where_samples_are_weighed():
    random = np.random.default_rng(0)
    logits, targets = random.normal(size=(40, 3)).astype(np.float32), random.integers(0, 3, 40)
    outputs = {"logits": logits}
    each = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(40), targets]
    expected = np.mean([each[targets == index].mean() for index in range(3)])
    for balance in ("class_weights", "sampling"):
        assert evaluated(task(balance)[0], targets, outputs, each).metrics["loss"] == pytest.approx(expected)
    for balance in ("logit_adjustment", "none"):  # then it is the mean over samples
        assert "loss" not in evaluated(task(balance)[0], targets, outputs, each).metrics
    assert task("none")[0].primary_metric == "accuracy"
    assert task("sampling")[0].primary_metric == "balanced_accuracy"
    baseline = task("sampling")[0].baseline({"class": TARGETS}, {"class": TARGETS})
    assert baseline == {"majority_accuracy": 90 / 132, "majority_balanced_accuracy": pytest.approx(1 / 3)}


def test_the_loss_is_the_same_over_samples_that_were_repeated_until_classes_were_equal():
    """As an epoch of balanced sampling is, whose loss is told beside that of val."""
    even = np.repeat(np.arange(len(TARGETS)), np.array([2, 6, 15])[TARGETS])
    logits = np.random.default_rng(3).normal(size=(len(TARGETS), 3)).astype(np.float32)
    balanced, losses = task("sampling")[0], np.random.default_rng(4).random(len(TARGETS))
    repeated = evaluated(balanced, TARGETS[even], {"logits": logits[even]}, losses[even])
    assert repeated.metrics["loss"] == pytest.approx(
        evaluated(balanced, TARGETS, {"logits": logits}, losses).metrics["loss"]
    )


@pytest.mark.parametrize("balance", ["none", "class_weights", "sampling", "logit_adjustment"])
def test_a_stored_task_is_the_same_task(balance):
    made, options = task(balance)
    assert build(TaskRequest(options, labels=made.labels())) == made
    assert ("counts" in made.labels()) == (balance != "none")


@pytest.mark.parametrize("counts", ["many", [1, 2], [1, 2, 0], [1, 2, 3.5], [1, 2, True]])
def test_stored_counts_that_are_none_are_refused(counts):
    with pytest.raises(DataError, match="counts"):
        build(TaskRequest(ClassificationOptions(), labels={"classes": ["a", "b", "c"], "counts": counts}))


def test_a_class_without_a_training_sample_cannot_be_evened_out():
    made = build(TaskRequest(ClassificationOptions(balance="sampling"), targets=["a", "b", "c"]))
    with pytest.raises(DataError, match="'b'"):
        made.fitted({"class": np.array([0, 2, 2])})


def test_two_mechanisms_at_a_time_cannot_be_written():
    _, problems = parse_options(ClassificationOptions, {"balance": "sampling,class_weights"}, "task")
    assert problems


def test_mixed_targets_are_distributions():
    mixed = task("none")[0].mix(
        {"class": np.array([0, 1])}, {"class": np.array([2, 1])}, np.array([0.75, 0.2], np.float32)
    )["class"]
    assert mixed.dtype == np.float32
    np.testing.assert_allclose(mixed, [[0.75, 0, 0.25], [0, 1, 0]], atol=1e-6)
