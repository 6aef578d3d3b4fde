"""Calibrated probabilities: one temperature from val, which changes no answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from answers import calibrated, calibration_facts, evaluated, table_of
from scipy.special import log_softmax, softmax

from headstart.calibration import fit_temperature
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
    grid = too_sure * np.exp(np.arange(-0.2, 0.2, 0.001))
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
    before, after = table_of(TASK, outputs), table_of(task, outputs)
    assert before["prediction"] == after["prediction"]
    assert evaluated(TASK, targets, outputs).metrics == evaluated(task, targets, outputs).metrics
    np.testing.assert_allclose(after["p:b"], softmax(outputs["logits"] / task.temperature, axis=1)[:, 1], atol=1e-6)
    decoded = [row["confidence"] for row in task.decode(outputs, [{}] * 200, 1)]
    assert decoded == after["confidence"] != before["confidence"]


def test_where_val_has_no_wrong_answer_the_temperature_stays_1():
    targets = np.arange(12) % 3
    task, facts = calibrated(TASK, targets, {"logits": 4 * np.eye(3, dtype=np.float32)[targets]})
    assert task.temperature == facts["temperature"] == 1.0


def test_it_is_stored_with_the_labels_and_old_labels_have_none():
    task, _ = calibrated(TASK, *answers(2.0))
    assert build(TaskRequest(ClassificationOptions(), labels=task.labels())) == task
    assert build(TaskRequest(ClassificationOptions(), labels={"classes": ["a", "b", "c"]})) == TASK


def skewed(too_sure, seed=0):
    """As `answers`, which are for classes as frequent as each other, of which all of "a" are kept, a fifth of "b" and a
    twentieth of "c"; with how often each would have to be there for the classes to be even again."""
    targets, outputs = answers(too_sure, count=12000, seed=seed)
    rows = np.sort(np.concatenate([np.flatnonzero(targets == kind)[:count] for kind, count in enumerate(KEPT)]))
    return targets[rows], {"logits": outputs["logits"][rows]}, np.array([1, 5, 20])[targets[rows]]


KEPT = (3000, 600, 150)


def of(balance, tau=1.0, counts=KEPT):
    task = build(TaskRequest(ClassificationOptions(balance=balance, tau=tau), targets=["a", "b", "c"]))
    return task.fitted({"class": np.repeat(np.arange(3), counts)})


def repeated(targets, outputs, often):
    """Each sample as many times as `often` says."""
    return np.repeat(targets, often), {"logits": np.repeat(outputs["logits"], often, axis=0)}


def assert_same(found, expected):
    assert set(found) == {"ece", "nll"}
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-9), name


@pytest.mark.parametrize("balance", ["class_weights", "sampling", "logit_adjustment"])
def test_where_classes_are_evened_out_all_is_as_on_samples_that_are_even(balance):
    """Each sample of a rarer class repeated, and no weights: the same temperature, error and likelihood."""
    targets, outputs, often = skewed(3.0)
    task, facts = calibrated(of(balance), targets, outputs)
    whole = repeated(targets, outputs, often)
    expected, _ = calibrated(TASK, *whole)

    assert np.bincount(whole[0]).tolist() == [3000, 3000, 3000]
    assert facts["class_shares"] == pytest.approx([1 / 3] * 3)
    assert task.temperature == pytest.approx(expected.temperature, rel=1e-4)
    assert_same(facts["val"], calibration_facts(replace(TASK, temperature=task.temperature), *whole))
    assert task.temperature == pytest.approx(3.0, rel=0.1)
    natural, _ = calibrated(TASK, targets, outputs)
    assert abs(natural.temperature - task.temperature) > 0.1


@pytest.mark.parametrize("balance", ["class_weights", "sampling", "logit_adjustment"])
@pytest.mark.parametrize(("counts", "times"), [((240, 40, 80), (1, 6, 3)), ((90, 0, 30), (1, 1, 3))])
def test_each_split_is_weighed_by_its_own_counts_and_may_lack_a_class(balance, counts, times):
    """Neither train nor val has classes of these sizes."""
    task, _ = calibrated(of(balance), *skewed(3.0)[:2])
    targets, outputs = answers(3.0, seed=1)
    rows = np.concatenate([np.flatnonzero(targets == kind)[:count] for kind, count in enumerate(counts)])
    targets, outputs = targets[rows], {"logits": outputs["logits"][rows]}
    plain = replace(TASK, temperature=task.temperature)
    found = calibration_facts(task, targets, outputs)
    assert_same(found, calibration_facts(plain, *repeated(targets, outputs, np.array(times)[targets])))
    assert found["ece"]["before"] != pytest.approx(calibration_facts(plain, targets, outputs)["ece"]["before"], 1e-3)


def test_an_adjustment_by_half_is_for_classes_as_frequent_as_the_root_of_what_they_were():
    """Of 1600, 400 and 100 that is 4 to 2 to 1, here of a val where classes are even."""
    targets, outputs = answers(2.0)
    rows = np.concatenate([np.flatnonzero(targets == kind)[:500] for kind in range(3)])
    targets, outputs = targets[rows], {"logits": outputs["logits"][rows]}
    task, facts = calibrated(of("logit_adjustment", tau=0.5, counts=(1600, 400, 100)), targets, outputs)
    whole = repeated(targets, outputs, np.array([4, 2, 1])[targets])
    assert facts["class_shares"] == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert task.temperature == pytest.approx(calibrated(TASK, *whole)[0].temperature, rel=1e-4)
    assert_same(facts["val"], calibration_facts(replace(TASK, temperature=task.temperature), *whole))


@pytest.mark.parametrize("balance", ["class_weights", "sampling", "logit_adjustment"])
def test_the_probabilities_are_those_of_the_classes_that_are_weighed_so(balance):
    """What is answered are the logits as they are: no prior is put back."""
    targets, outputs, _ = skewed(3.0)
    task, _ = calibrated(of(balance), targets, outputs)
    answered = [table_of(task, outputs)[f"p:{name}"] for name in task.classes]
    np.testing.assert_allclose(np.transpose(answered), softmax(outputs["logits"] / task.temperature, axis=1), atol=1e-6)


def test_without_a_mechanism_nothing_is_weighed_and_nothing_said():
    targets, outputs, _ = skewed(3.0)
    task, facts = calibrated(of("none"), targets, outputs)
    logits = outputs["logits"].astype(np.float64)
    assert task.temperature == fit_temperature(lambda t: likelihood(targets, logits / t))
    assert set(facts) == {"temperature", "val"}
    assert facts["val"]["nll"] == pytest.approx(
        {"before": likelihood(targets, logits), "after": likelihood(targets, logits / task.temperature)}, rel=1e-12
    )
    assert_same(facts["val"], calibrated(TASK, targets, outputs)[1]["val"])
