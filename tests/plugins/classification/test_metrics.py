"""Scores and intervals against scikit-learn, published values and simulation."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from answers import evaluated
from sklearn import metrics as reference

from headstart_plugins.classification import _metrics
from headstart_plugins.classification._build import Classification


@pytest.fixture(params=[2, 3, 8])
def scored(request):
    random = np.random.default_rng(request.param)
    classes = request.param
    targets = random.integers(0, classes, 200).astype(np.int32)
    logits = random.normal(size=(200, classes)).astype(np.float32)
    logits[np.arange(200), targets] += 1.0
    return Classification(tuple(f"class {index}" for index in range(classes))), targets, {"logits": logits}


def test_metrics_equal_those_of_scikit_learn(scored):
    task, targets, outputs = scored
    values = evaluated(task, targets, outputs).metrics
    predicted = outputs["logits"].argmax(1)
    assert values["accuracy"] == reference.accuracy_score(targets, predicted)
    assert values["macro_f1"] == pytest.approx(reference.f1_score(targets, predicted, average="macro"))
    assert values["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(targets, predicted))
    assert ("top5_accuracy" in values) == (len(task.classes) >= 6)
    if "top5_accuracy" in values:
        assert values["top5_accuracy"] == reference.top_k_accuracy_score(targets, outputs["logits"], k=5)


def test_absent_classes_count_as_scikit_learn_counts_them():
    task = Classification(("a", "b", "c", "d"))
    targets = np.array([0, 0, 1, 1])
    outputs = {"logits": np.eye(4, dtype=np.float32)[[0, 2, 1, 1]]}
    found = evaluated(task, targets, outputs)
    values = found.metrics
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f1 = reference.f1_score(targets, [0, 2, 1, 1], average="macro", zero_division=0)
        recall = reference.balanced_accuracy_score(targets, [0, 2, 1, 1])
    assert (values["macro_f1"], values["balanced_accuracy"]) == pytest.approx((f1, recall))
    described = found.report["per_class"]
    assert described["d"] == {"precision": None, "recall": None, "f1": None, "support": 0}


def test_bootstrap_intervals_cover_the_true_value_about_95_times_in_100():
    recall, size, random = np.array([0.9, 0.6, 0.75]), 80, np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        hits = random.binomial(size, recall)
        counts = np.diag(hits)
        counts[np.arange(3), (np.arange(3) + 1) % 3] = size - hits
        low, high = _metrics.bootstrap_intervals(counts)["balanced_accuracy"]
        covered += low <= recall.mean() <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_bootstrap_spread_of_balanced_accuracy_equals_its_binomial_standard_error():
    counts = np.array([[70, 30], [10, 40]])
    low, high = _metrics.bootstrap_intervals(counts)["balanced_accuracy"]
    error = np.sqrt(0.7 * 0.3 / 100 + 0.8 * 0.2 / 50) / 2
    assert (high - low) / (2 * 1.96) == pytest.approx(error, rel=0.1)


def test_intervals_hold_their_metric_and_repeat_to_the_bit(scored):
    task, targets, outputs = scored
    found = evaluated(task, targets, outputs)
    values, intervals = found.metrics, found.intervals
    assert set(intervals) == {"accuracy", "macro_f1", "balanced_accuracy"}
    for name, (low, high) in intervals.items():
        assert 0 <= low <= values[name] <= high <= 1
    assert evaluated(task, targets, outputs).intervals == intervals


def test_the_baseline_answers_the_commonest_training_class():
    task = Classification(("a", "b"))
    assert task.baseline({"class": np.array([0, 1, 1])}, {"class": np.array([1, 0, 0, 0])}) == {
        "majority_accuracy": 0.25
    }


def test_the_confusion_matrix_has_true_rows_and_plain_values(scored):
    task, targets, outputs = scored
    report = evaluated(task, targets, outputs).report
    expected = reference.confusion_matrix(targets, outputs["logits"].argmax(1))
    assert report["confusion_matrix"] == expected.tolist()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    named = reference.classification_report(
        targets, outputs["logits"].argmax(1), target_names=task.classes, output_dict=True, zero_division=0
    )
    for name in task.classes:
        assert report["per_class"][name]["f1"] == pytest.approx(named[name]["f1-score"])
        assert report["per_class"][name]["support"] == named[name]["support"]


def test_decoding_gives_names_best_first_and_probabilities_that_sum_to_one(scored):
    task, _, outputs = scored
    rows = task.decode(outputs, [{}] * 200, top_k=len(task.classes) + 3)
    for row, logits in zip(rows, outputs["logits"], strict=True):
        assert row["prediction"] == task.classes[logits.argmax()] == row["top_k"][0]["label"]
        chances = [entry["probability"] for entry in row["top_k"]]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) == pytest.approx(1, abs=1e-5)
        assert row["confidence"] == chances[0]
    assert len(task.decode(outputs, [{}] * 200, top_k=1)[0]["top_k"]) == 1


def test_a_row_of_the_table_agrees_with_the_answer_and_prints_short(scored):
    task, _, outputs = scored
    assert task.columns == ("prediction", "confidence", *(f"p:{name}" for name in task.classes))
    for answer in task.decode(outputs, [{}] * 200, top_k=len(task.classes)):
        (row,) = task.rows(answer)
        assert set(row) == set(task.columns)
        assert (row["prediction"], row["confidence"]) == (answer["prediction"], answer["confidence"])
        assert {f"p:{each['label']}": each["probability"] for each in answer["top_k"]}.items() <= row.items()
        for name in task.columns[1:]:
            assert type(row[name]) is float
            assert repr(row[name]) == repr(float(str(np.float32(row[name]))))
