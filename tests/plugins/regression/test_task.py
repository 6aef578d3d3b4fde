"""Numbers: their scale, scores, solved heads and the way back to the unit of the data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from answers import evaluated
from sklearn import metrics as reference
from sklearn.linear_model import Ridge

from headstart.engine.linear.rows import Part, Rows
from headstart.errors import DataError
from headstart.specs import TaskRequest
from headstart_plugins._heads.options import HeadOptions
from headstart_plugins.regression._build import Regression, build, scores

RANDOM = np.random.default_rng(0)
REAL = 2020 + 3 * RANDOM.normal(size=80)


def fitted(real=REAL):
    task = build(TaskRequest(HeadOptions(), targets=[1.0]))
    return task.fitted({"number": encode(task, real)})


def encode(task, real):
    return task.encode([float(value) for value in real], [{}] * len(real), ["k"] * len(real))["number"]


def decoded(task, outputs):
    return [answer["prediction"] for answer in task.decode(outputs, [{}] * len(outputs["value"]), 3)]


def outputs_of(task, predicted):
    return {"value": ((predicted - task.mean) / task.deviation).astype(np.float32)[:, None]}


def test_targets_are_in_units_of_the_training_split_and_large_numbers_keep_their_digits():
    task = fitted()
    encoded = encode(task, REAL)
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded, (REAL - REAL.mean()) / REAL.std(), atol=1e-6)


def test_metrics_are_scikit_learns_in_the_unit_of_the_data():
    task, predicted = fitted(), REAL + RANDOM.normal(size=80)
    targets = encode(task, REAL)
    whole = evaluated(task, targets, outputs_of(task, predicted))
    found = whole.metrics
    assert found["r2"] == pytest.approx(reference.r2_score(REAL, predicted), abs=1e-4)
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(REAL, predicted), rel=1e-4)
    assert found["rmse"] == pytest.approx(reference.mean_squared_error(REAL, predicted) ** 0.5, rel=1e-4)
    for name, (low, high) in whole.intervals.items():
        assert low < found[name] < high


def test_r2_of_equal_targets_is_0_or_1_as_in_scikit_learn():
    task, same = fitted(), np.zeros(4, np.float32)
    for predicted, expected in ((np.zeros((4, 1), np.float32), 1.0), (np.ones((4, 1), np.float32), 0.0)):
        assert evaluated(task, same, {"value": predicted}).metrics["r2"] == expected


def test_r2_of_equal_targets_whose_variance_is_not_exactly_0_is_0_too():
    assert np.var(np.full(3, 0.1)) > 0
    assert scores(np.full(3, 0.1), np.full(3, 0.2))["r2"] == 0.0


def test_the_baseline_is_the_mean_of_train():
    task = fitted()
    train, test = ({"number": encode(task, part)} for part in (REAL, REAL[:20] + 1))
    found = task.baseline(train, test)
    assert found["mean_r2"] == pytest.approx(reference.r2_score(REAL[:20] + 1, np.full(20, REAL.mean())), abs=1e-4)
    assert found["mean_mae"] == pytest.approx(np.abs(REAL[:20] + 1 - REAL.mean()).mean(), rel=1e-4)


def test_answers_are_in_the_unit_of_the_data():
    task, predicted = fitted(), REAL[:5]
    answers = decoded(task, outputs_of(task, predicted))
    np.testing.assert_allclose(answers, predicted, atol=1e-3)
    assert task.columns == ("prediction",)
    assert [row for each in answers for row in task.rows({"prediction": each})] == [{"prediction": x} for x in answers]
    errors = evaluated(task, np.zeros(5), {"value": np.ones((5, 1))}).report["absolute_error"]
    assert errors["100%"] == pytest.approx(task.deviation)


def test_solved_heads_are_scikit_learns_ridge():
    features = RANDOM.normal(size=(80, 6)).astype(np.float32)
    real = features @ [1, 2, 0, 0, -1, 3] + RANDOM.normal(size=80) + 100
    task = fitted(real)
    targets = encode(task, real)
    rows = Rows((Part((features[:30],), {"number": targets[:30]}), Part((features[30:],), {"number": targets[30:]})))
    deviation = features.std(0, dtype=np.float64)
    inputs = features / np.maximum(deviation, np.sqrt((deviation**2).mean()))
    path = list(task.solve(rows, (0.01, 1.0, 0.01)))
    assert [one.strength for one in path] == [1.0, 0.01]
    for solved in (*path, task.solve_again(rows, path[0])):
        expected = Ridge(alpha=solved.strength * 80).fit(inputs, real).predict(inputs)
        values = (features @ solved.weights["kernel"] + solved.weights["bias"]).astype(np.float32)
        np.testing.assert_allclose(decoded(task, {solved.output: values}), expected, atol=1e-3)


def test_a_stored_task_is_the_same_task_also_through_json():
    task = fitted()
    labels = json.loads(json.dumps(task.labels()))
    assert build(TaskRequest(HeadOptions(), labels=labels)) == task


@pytest.mark.parametrize(
    "labels", [{}, {"mean": 1.0}, {"mean": "x", "deviation": 1}, {"mean": 0.0, "deviation": 0.0}, {"mean": True}]
)
def test_a_stored_scale_that_is_none_is_refused(labels):
    with pytest.raises(DataError, match="labels must hold"):
        build(TaskRequest(HeadOptions(), labels=labels))


@pytest.mark.parametrize("same", [np.full(4, 2.5), np.full(3, 0.1)], ids=["exact", "whose deviation is 1e-17 in numpy"])
def test_equal_training_targets_are_refused(same):
    with pytest.raises(DataError, match="spread by 0"):
        Regression().fitted({"number": same})


def test_answers_far_from_0_are_told_apart_as_the_metrics_tell_them_apart():
    """As times in seconds since 1970 are: a float32 of 1.7e9 has steps of 128."""
    task = Regression(mean=1.7e9, deviation=10.0)
    outputs = {"value": np.array([[0.1], [0.5], [1.0]], np.float32)}
    assert decoded(task, outputs) == pytest.approx([1.7e9 + 1, 1.7e9 + 5, 1.7e9 + 10], abs=1e-5, rel=0)


def test_mixed_targets_lie_between():
    mixed = Regression().mix(
        {"number": np.array([1.0, 2.0])}, {"number": np.array([3.0, 0.0])}, np.array([0.75, 0.5], np.float32)
    )["number"]
    np.testing.assert_allclose(mixed, [1.5, 1.0])
    assert mixed.dtype == np.float32
