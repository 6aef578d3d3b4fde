"""Evaluators of the built-in tasks: any cut into batches, merged in any grouping, scores as one pass; running ones too.

What is right is said by scikit-learn, and by the formulas over whole arrays that runs had before they streamed.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn import metrics as reference

from headstart.calibration import expected_calibration_error
from headstart_plugins.classification._balance import Balance
from headstart_plugins.classification._build import Classification
from headstart_plugins.multilabel._build import Multilabel
from headstart_plugins.regression._build import Regression

ROWS = 240
CUTS = {
    "one by one": list(range(1, ROWS)),
    "of 32": list(range(32, ROWS, 32)),
    "of odd sizes": [3, 4, 100, 101, 239],
}


def drawn(name):
    """A task, its encoded targets and the outputs for ROWS rows, and their losses."""
    random = np.random.default_rng(3)
    losses = random.random(ROWS).astype(np.float32)
    if name == "regression":
        task = Regression(50.0, 4.0)
        true = random.normal(size=ROWS).astype(np.float32)
        return task, {"number": true}, {"value": (true + 0.3 * random.normal(size=ROWS))[:, None].astype("f4")}, losses
    if name == "multilabel":
        true = (random.random((ROWS, 5)) < [0.5, 0.3, 0.2, 0.1, 0.02]).astype(np.float32)
        logits = (3 * true - 1.5 + 2 * random.normal(size=(ROWS, 5))).astype(np.float32)
        return Multilabel(tuple("abcde"), temperature=1.7), {"labels": true}, {"logits": logits}, losses
    classes = int(name.split()[-1])
    true = random.integers(0, classes, ROWS).astype(np.int32)
    logits = (2 * np.eye(classes)[true] + random.normal(size=(ROWS, classes))).astype(np.float32)
    balance = Balance("sampling", 1.0, tuple(range(5, 5 + classes))) if "even" in name else Balance()
    task = Classification(tuple(f"class {number}" for number in range(classes)), balance=balance, temperature=1.3)
    return task, {"class": true}, {"logits": logits}, losses


NAMES = ["classification 3", "classification 8", "even classification 4", "multilabel", "regression"]


def parts_of(evaluator_of, name, cuts):
    """An evaluator for each batch."""
    _, targets, outputs, losses = drawn(name)
    found = []
    for start, stop in zip([0, *cuts], [*cuts, ROWS], strict=True):
        rows = slice(start, stop)
        evaluator = evaluator_of()
        evaluator.update(
            {key: array[rows] for key, array in targets.items()},
            {key: array[rows] for key, array in outputs.items()},
            [{}] * (stop - start),
            losses[rows],
        )
        found.append(evaluator)
    return found


def in_order(parts):
    first, *rest = parts
    for part in rest:
        first.merge(part)
    return first


def in_pairs(parts):
    while len(parts) > 1:
        pairs = [parts[place : place + 2] for place in range(0, len(parts), 2)]
        parts = [in_order(pair) for pair in pairs]
    return parts[0]


def flat(value, path=()):
    """Plain values by where they are."""
    if isinstance(value, dict):
        return {place: each for name, item in value.items() for place, each in flat(item, (*path, name)).items()}
    if isinstance(value, list | tuple):
        return flat(dict(enumerate(value)), path)
    return {path: value}


def assert_same(found, expected):
    found, expected = (flat(each) for each in (found, expected))
    assert found.keys() == expected.keys()
    for place, value in expected.items():
        is_number = isinstance(value, int | float)
        assert found[place] == (pytest.approx(value, rel=1e-9, abs=1e-12) if is_number else value), place


@pytest.mark.parametrize("merged", [in_order, in_pairs])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", NAMES)
def test_any_cut_merged_in_any_grouping_is_one_pass(name, cut, merged):
    task = drawn(name)[0]
    (whole,) = parts_of(task.evaluator, name, [])
    found = merged(parts_of(task.evaluator, name, CUTS[cut]))
    assert_same(vars(found.result()), vars(whole.result()))
    assert found.result().intervals == whole.result().intervals  # counts and rows are the same to the bit
    assert_same(found.metrics(), whole.result().metrics)


@pytest.mark.parametrize("merged", [in_order, in_pairs])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_running_one_has_the_same_metrics_at_a_size_that_rows_do_not_change(name, cut, merged):
    task = drawn(name)[0]
    (whole,) = parts_of(task.evaluator, name, [])

    def running():
        return task.evaluator(running=True)

    parts = parts_of(running, name, CUTS[cut])
    sizes = {key: array.shape for key, array in parts[0].state().items()}
    found = merged(parts)
    assert {key: array.shape for key, array in found.state().items()} == sizes
    expected = dict(whole.metrics())
    if name == "multilabel":  # its histogram tells only logits apart that are a sixteenth from each other, or so
        exact, binned = expected.pop("macro_average_precision"), dict(found.metrics())
        assert binned.pop("macro_average_precision") == pytest.approx(exact, abs=0.01)
        assert_same(binned, expected)
    else:
        assert_same(found.metrics(), expected)
    assert found.result().metrics == found.metrics()


@pytest.mark.parametrize("name", NAMES)
def test_a_running_one_goes_on_from_its_state(name):
    task = drawn(name)[0]
    first, second = parts_of(lambda: task.evaluator(running=True), name, [100])
    restored = task.evaluator(running=True)
    restored.restore({key: np.array(array) for key, array in first.state().items()})
    first.merge(second)
    restored.merge(second)
    assert restored.metrics() == first.metrics()


def test_average_precision_of_the_histogram_is_scikit_learns_for_logits_of_its_bins():
    random = np.random.default_rng(0)
    true = (random.random((300, 2)) < 0.3).astype(np.float32)
    logits = (np.round(2 * true + random.normal(size=(300, 2)), 0) + 1 / 32).astype(np.float32)
    evaluator = Multilabel(("a", "b")).evaluator(running=True)
    evaluator.update({"labels": true}, {"logits": logits}, [{}] * 300, np.zeros(300))
    expected = reference.average_precision_score(true, logits, average="macro")
    assert evaluator.metrics()["macro_average_precision"] == pytest.approx(expected)


def test_numbers_that_are_all_the_same_have_an_r2_of_0_or_1_while_training_too():
    for predicted, expected in ((0.1, 1.0), (0.2, 0.0)):
        evaluator = Regression(0.0, 2.0).evaluator(running=True)
        outputs = {"value": np.full((3, 1), predicted, np.float32)}
        evaluator.update({"number": np.full(3, 0.1, np.float32)}, outputs, [{}] * 3, np.zeros(3))
        assert evaluator.metrics()["r2"] == expected


def former_calibration(task, true, logits):
    """Error and likelihood over whole arrays, each sample weighed, as runs told them before evaluators streamed."""
    weights, right = task.balance.sample_weights(true), np.argmax(logits, axis=1) == true
    found = {"ece": {}, "nll": {}}
    for place, temperature in (("before", 1.0), ("after", task.temperature)):
        scaled = logits.astype(np.float64) / temperature
        sure = softmax(scaled, axis=1).max(axis=1)
        losses = -log_softmax(scaled, axis=1)[np.arange(ROWS), true]
        found["ece"][place] = expected_calibration_error(sure, right, weights)
        found["nll"][place] = np.average(losses, weights=weights)
    return found


@pytest.mark.parametrize("name", ["classification 3", "classification 8", "even classification 4"])
def test_sums_by_class_tell_what_whole_arrays_told(name):
    task, targets, outputs, losses = drawn(name)
    found = in_order(parts_of(task.evaluator, name, CUTS["of 32"])).result()
    assert_same(found.calibration, former_calibration(task, targets["class"], outputs["logits"]))
    if "even" in name:
        weights = task.balance.sample_weights(targets["class"])
        assert found.metrics["loss"] == pytest.approx(np.average(losses.astype(np.float64), weights=weights), rel=1e-12)


@pytest.mark.backend
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_a_split_is_scikit_learns_or_the_weighed_one(name):
    from headstart.engine.device import loss_step
    from headstart.engine.scoring import ScoredRows, Scores

    task, targets, outputs, _ = drawn(name)
    scores, losses = Scores(task), loss_step(task)
    for rows in (slice(0, 100), slice(100, ROWS)):
        batch = [{key: array[rows] for key, array in each.items()} for each in (targets, outputs)]
        scores.add(ScoredRows(*batch, losses(*batch)))
    found = scores.result().metrics
    assert next(iter(found)) == "loss"
    if name == "regression":
        assert found["loss"] == pytest.approx((found["rmse"] / task.deviation) ** 2, rel=1e-5)
    elif name == "multilabel":
        probability = 1 / (1 + np.exp(-outputs["logits"].astype(np.float64)))
        expected = reference.log_loss(targets["labels"].ravel(), probability.ravel())
        assert found["loss"] == pytest.approx(expected, rel=1e-5)
    else:
        weights = task.balance.sample_weights(targets["class"])
        probability = softmax(outputs["logits"].astype(np.float64), axis=1)
        expected = reference.log_loss(targets["class"], probability, sample_weight=weights)
        assert found["loss"] == pytest.approx(expected, rel=1e-5)
