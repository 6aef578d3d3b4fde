"""Labels, thresholds, calibration and solved heads of the task with several labels a sample."""

from __future__ import annotations

import json

import numpy as np
import pytest
from answers import calibrated, calibration_facts, evaluated, table_of
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from headstart.engine.linear.rows import Part, Rows
from headstart.errors import DataError
from headstart.specs import TaskRequest
from headstart_plugins.multilabel import MultilabelOptions
from headstart_plugins.multilabel._build import Multilabel, build
from headstart_plugins.multilabel._thresholds import choose_threshold


def task_of(targets=None, labels=None):
    return build(TaskRequest(MultilabelOptions(), targets=targets, labels=labels))


def answers(too_sure=2.0, count=800, seed=0):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, 3)) * 2 - [0, 1, 3]
    targets = (random.random((count, 3)) < expit(logits)).astype(np.float32)
    return targets, {"logits": (too_sure * logits).astype(np.float32)}


def test_labels_become_ones_in_natural_order_and_no_label_a_row_of_zeros():
    task = task_of([("b", "a10"), ("a9",), ()])
    assert task.classes == ("a9", "a10", "b")
    encoded = task.encode([("b", "a10"), (), ("a9",)], [{}] * 3, ["x", "y", "z"])["labels"]
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    with pytest.raises(DataError, match="y: label 'c'"):
        task.encode([("b",), ("b", "c")], [{}] * 2, ["x", "y"])


@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_has_the_greatest_f1_of_all(seed):
    random = np.random.default_rng(seed)
    targets = (random.random(60) < 0.3).astype(float)
    probability = np.round(np.clip(0.3 + 0.4 * targets + 0.2 * random.normal(size=60), 0.01, 0.99), 2)
    found = choose_threshold(targets, probability)
    tried = [f1_score(targets, probability >= limit) for limit in np.arange(0.005, 1, 0.01)]
    assert found.f1 == pytest.approx(max(tried))
    assert found.f1 == pytest.approx(f1_score(targets, probability >= found.threshold))
    assert found.f1_at_half == pytest.approx(f1_score(targets, probability >= 0.5))
    assert found.positives == targets.sum()


def test_a_threshold_stays_at_a_half_where_no_other_is_better_or_nothing_was_seen():
    assert choose_threshold(np.array([1, 0, 1]), np.array([0.9, 0.2, 0.6])).threshold == 0.5
    unseen = choose_threshold(np.zeros(3), np.array([0.9, 0.2, 0.6]))
    assert (unseen.threshold, unseen.positives, unseen.recall) == (0.5, 0, None)


def test_val_gives_a_temperature_and_thresholds_that_decoding_uses():
    targets, outputs = answers()
    task, facts = calibrated(Multilabel(("a", "b", "c")), targets, outputs)
    assert task.temperature == facts["temperature"] == pytest.approx(2.0, rel=0.15)
    limits = [facts["thresholds"][name]["threshold"] for name in "abc"]
    probability = expit(outputs["logits"] / task.temperature)
    expected = ["|".join(np.array(list("abc"))[row]) for row in probability >= limits]
    assert table_of(task, outputs)["prediction"] == expected
    assert [row["prediction"] for row in task.decode(outputs, [{}] * 800, 2)] == expected
    assert limits != [0.5] * 3
    plain = evaluated(Multilabel(("a", "b", "c")), targets, outputs).metrics
    assert evaluated(task, targets, outputs).metrics["macro_f1"] > plain["macro_f1"]
    top = task.decode(outputs, [{}] * 800, 2)[0]["top_k"]
    assert [each["probability"] for each in top] == pytest.approx(sorted(probability[0])[:0:-1], abs=1e-6)


def test_the_temperature_is_the_best_of_a_grid_and_new_answers_are_more_honest():
    targets, outputs = answers(3.0, count=3000)
    task, _ = calibrated(Multilabel(("a", "b", "c")), targets, outputs)

    def likelihood(temperature):
        scaled = outputs["logits"].astype(float) / temperature
        return (np.logaddexp(0, scaled) - targets * scaled).mean()

    grid = np.exp(np.arange(0, 2, 0.001))
    assert task.temperature == pytest.approx(grid[np.argmin([likelihood(t) for t in grid])], rel=2e-3)
    found = calibration_facts(task, *answers(3.0, seed=1))
    assert found["ece"]["before"] > 2 * found["ece"]["after"]


def test_a_stored_task_is_the_same_task_also_through_json():
    task, _ = calibrated(Multilabel(("a", "b", "c")), *answers())
    assert task_of(labels=json.loads(json.dumps(task.labels()))) == task
    assert task_of(labels={"classes": ["a", "b"]}) == Multilabel(("a", "b"))


@pytest.mark.parametrize("change", [{"a": {}}, {"a": {"threshold": 2}}, [0.5], {"b": {}}])
def test_stored_thresholds_that_are_none_are_refused(change):
    with pytest.raises(DataError, match="threshold"):
        task_of(labels={"classes": ["a"], "thresholds": change})


def test_solved_heads_are_scikit_learns_regression_for_each_label():
    random = np.random.default_rng(0)
    targets = (random.random((160, 3)) < [0.5, 0.3, 0.15]).astype(np.float32)
    features = (targets @ random.normal(size=(3, 8)) + random.normal(size=(160, 8))).astype(np.float32)
    rows = Rows((Part((features[:50],), {"labels": targets[:50]}), Part((features[50:],), {"labels": targets[50:]})))
    task, strength = Multilabel(("a", "b", "c")), 0.02
    path = list(task.solve(rows, (1.0, strength)))
    assert [one.strength for one in path] == [1.0, strength]
    deviation = features.std(0, dtype=np.float64)
    inputs = features / np.maximum(deviation, np.sqrt((deviation**2).mean()))
    for solved in (path[1], task.solve_again(rows, path[1])):
        logits = features @ solved.weights["kernel"] + solved.weights["bias"]
        for label in range(3):
            model = LogisticRegression(C=1 / (strength * 160), tol=1e-10, max_iter=9999).fit(inputs, targets[:, label])
            expected = model.decision_function(inputs)
            assert expected.std() > 0.5
            np.testing.assert_allclose(logits[:, label], expected, atol=0.03)


def test_a_label_that_nobody_trains_on_still_solves():
    features = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    targets = np.zeros((40, 2), np.float32)
    targets[::2, 0] = 1
    (solved,) = Multilabel(("a", "b")).solve(Rows((Part((features,), {"labels": targets}),)), (0.1,))
    assert np.isfinite(solved.weights["bias"]).all()
    assert (features @ solved.weights["kernel"] + solved.weights["bias"])[:, 1].max() < -4


def test_mixed_targets_lie_between():
    task = Multilabel(("a", "b"))
    one, other = np.array([[1, 0], [0, 0]], np.float32), np.array([[1, 1], [0, 1]], np.float32)
    mixed = task.mix({"labels": one}, {"labels": other}, np.array([0.75, 0.5], np.float32))["labels"]
    np.testing.assert_allclose(mixed, [[1, 0.25], [0, 0.5]])
    assert mixed.dtype == np.float32
