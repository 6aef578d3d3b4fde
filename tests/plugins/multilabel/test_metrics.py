"""Scores of several labels a sample are scikit-learn's, resampled or not."""

from __future__ import annotations

import numpy as np
import pytest
from answers import evaluated
from sklearn import metrics as reference

from headstart_plugins.multilabel import _metrics
from headstart_plugins.multilabel._build import Multilabel

NAMES = ("a", "b", "c", "d")


def sample(count=150, seed=0, ties=False):
    random = np.random.default_rng(seed)
    targets = (random.random((count, 4)) < [0.6, 0.3, 0.1, 0.05]).astype(np.float32)
    logits = (2 * targets - 1 + 1.5 * random.normal(size=(count, 4))).astype(np.float32)
    return targets, np.round(logits) if ties else logits


@pytest.mark.parametrize("ties", [False, True])
def test_every_metric_is_scikit_learns(ties):
    targets, logits = sample(ties=ties)
    given = (logits >= 0).astype(int)
    found = evaluated(Multilabel(NAMES), targets, {"logits": logits}).metrics
    assert found["macro_average_precision"] == pytest.approx(
        reference.average_precision_score(targets, logits, average="macro")
    )
    assert found["micro_f1"] == pytest.approx(reference.f1_score(targets, given, average="micro"))
    assert found["macro_f1"] == pytest.approx(reference.f1_score(targets, given, average="macro"))
    assert found["subset_accuracy"] == pytest.approx(reference.accuracy_score(targets, given))


def test_a_resample_scores_as_its_rows_repeated():
    targets, logits = sample(count=40, ties=True)
    counts = np.random.default_rng(1).integers(0, 4, 40)
    repeated = np.repeat(np.arange(40), counts)
    expected = reference.average_precision_score(targets[repeated, 0], logits[repeated, 0])
    found = _metrics.average_precision(targets[:, 0], logits[:, 0], counts[None].astype(float))
    assert found[0] == pytest.approx(expected)


def test_labels_that_nobody_has_are_left_out_of_macro_means():
    targets, logits = sample()
    targets[:, 3] = 0
    found = evaluated(Multilabel(NAMES), targets, {"logits": logits}).metrics
    expected = reference.average_precision_score(targets[:, :3], logits[:, :3], average="macro")
    assert found["macro_average_precision"] == pytest.approx(expected)
    nothing = evaluated(Multilabel(NAMES), np.zeros_like(targets), {"logits": logits - 99}).metrics
    assert nothing["macro_average_precision"] == nothing["macro_f1"] == nothing["micro_f1"] == 0.0
    assert nothing["subset_accuracy"] == 1.0


def test_intervals_hold_the_value_and_narrow_with_more_samples():
    few, many = (evaluated(Multilabel(NAMES), *_outputs(sample(count))).intervals for count in (60, 960))
    values = evaluated(Multilabel(NAMES), *_outputs(sample(960))).metrics
    for name, (low, high) in many.items():
        assert low <= values[name] <= high
        assert high - low < 0.6 * (few[name][1] - few[name][0])
    assert many == evaluated(Multilabel(NAMES), *_outputs(sample(960))).intervals


def test_the_baseline_is_what_one_answer_to_all_scores():
    targets, _ = sample()
    same = evaluated(Multilabel(NAMES), targets, {"logits": np.zeros_like(targets)}).metrics
    baseline = Multilabel(NAMES).baseline({"labels": targets}, {"labels": targets})
    assert baseline["prior_macro_average_precision"] == pytest.approx(same["macro_average_precision"])
    sets = [tuple(row) for row in targets.tolist()]
    assert baseline["majority_subset_accuracy"] == max(sets.count(one) for one in sets) / len(sets)


def _outputs(drawn):
    return drawn[0], {"logits": drawn[1]}
