"""Calibrated probabilities: one temperature from val, which changes no answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from headstart.runs.calibration import calibrated, calibration_facts
from headstart.specs import TaskRequest
from headstart_plugins.classification import ClassificationOptions
from headstart_plugins.classification._build import Classification, build

TASK = Classification(("a", "b", "c"))


def answers(too_sure, count=3000, seed=0):
    """Targets that follow softmax(logits), and the logits `too_sure` times as large."""
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(count, 3))
    targets = (random.random((count, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return targets.astype(np.int32), {"logits": (too_sure * logits).astype(np.float32)}


def likelihood(targets, logits):
    return -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(targets)), targets].mean()


@pytest.mark.parametrize("too_sure", [0.4, 3.0])
def test_the_temperature_is_the_best_of_a_grid_and_undoes_what_was_too_sure(too_sure):
    targets, outputs = answers(too_sure)
    task, facts = calibrated(TASK, targets, outputs)
    grid = np.exp(np.arange(-3, 4, 0.001))
    best = grid[np.argmin([likelihood(targets, outputs["logits"] / t) for t in grid])]
    assert facts["temperature"] == task.temperature == pytest.approx(best, rel=2e-3)
    assert task.temperature == pytest.approx(too_sure, rel=0.1)


def test_the_facts_are_error_and_likelihood_before_and_after_also_on_samples_that_nothing_was_chosen_on():
    task, facts = calibrated(TASK, *answers(3.0))
    targets, outputs = answers(3.0, seed=1)
    found = calibration_facts(task, targets, outputs)
    for name, split in (("val", facts["val"]), ("test", found)):
        assert split["ece"]["before"] > 0.1 > 0.03 > split["ece"]["after"], name
    assert found["nll"]["before"] == pytest.approx(likelihood(targets, outputs["logits"]))
    assert found["nll"]["after"] == pytest.approx(likelihood(targets, outputs["logits"] / task.temperature))


def test_answers_and_metrics_stay_and_probabilities_are_the_calibrated_ones():
    targets, outputs = answers(3.0, count=200)
    task, _ = calibrated(TASK, targets, outputs)
    before, after = TASK.columns(outputs), task.columns(outputs)
    assert before["prediction"] == after["prediction"]
    assert TASK.metrics(targets, outputs) == task.metrics(targets, outputs)
    np.testing.assert_allclose(after["p:b"], softmax(outputs["logits"] / task.temperature, axis=1)[:, 1], atol=1e-6)
    decoded = [row["confidence"] for row in task.decode(outputs, 1)]
    assert decoded == after["confidence"] != before["confidence"]


def test_where_val_has_no_wrong_answer_the_temperature_stays_1():
    targets = np.arange(12) % 3
    task, facts = calibrated(TASK, targets, {"logits": 4 * np.eye(3, dtype=np.float32)[targets]})
    assert task.temperature == facts["temperature"] == 1.0


def test_it_is_stored_with_the_labels_and_old_labels_have_none():
    task, _ = calibrated(TASK, *answers(2.0))
    assert build(TaskRequest(ClassificationOptions(), labels=task.labels())) == task
    assert build(TaskRequest(ClassificationOptions(), labels={"classes": ["a", "b", "c"]})) == TASK
