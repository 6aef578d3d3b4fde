"""Two runs on the same samples: what one scores above the other, resampled together."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pytest

from headstart.engine.scoring import ScoredRows, Scores
from headstart.errors import UsageError
from headstart.runs.beside import differences
from headstart_plugins.classification._build import Classification
from headstart_plugins.regression._build import Regression

CLASSES = ("cat", "dog", "owl")


def scores(true, predicted, parts=1):
    """Of answers that are sure of the classes at these places, in so many batches that are merged."""
    whole = Scores(Classification(CLASSES))
    for rows in np.array_split(np.arange(len(true)), parts):
        part = Scores(Classification(CLASSES))
        logits = np.eye(len(CLASSES), dtype=np.float32)[predicted[rows]] * 9
        part.add(ScoredRows({"class": true[rows]}, {"logits": logits}, np.zeros(len(rows), np.float32)))
        whole.merge(part)
    return whole


@pytest.fixture
def drawn():
    random = np.random.default_rng(0)
    true = random.integers(0, 3, 400).astype(np.int32)
    good = np.where(random.random(400) < 0.9, true, (true + 1) % 3)
    worse = np.where(random.random(400) < 0.1, (good + 1) % 3, good)
    return true, good, worse


def test_the_interval_of_a_difference_in_accuracy_is_that_of_a_paired_proportion(drawn):
    """Its standard error is that of the mean of right minus right, sample by sample."""
    true, good, worse = drawn
    found = differences(scores(true, good), scores(true, worse))["accuracy"]
    gained = (good == true).astype(float) - (worse == true)

    assert found.difference == pytest.approx(gained.mean())
    assert (found.first, found.second) == pytest.approx(((good == true).mean(), (worse == true).mean()))
    error = gained.std() / np.sqrt(len(true))
    assert found.interval == pytest.approx((gained.mean() - 1.96 * error, gained.mean() + 1.96 * error), abs=0.004)
    assert found.p_value < 0.01


def test_resamples_are_of_accuracy_f1_and_recall_and_do_not_depend_on_batches(drawn):
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

    true, good, _ = drawn
    found = scores(true, good).resampled()
    rows = np.random.default_rng(0).integers(0, len(true), len(true))
    assert found["accuracy"][0] == pytest.approx(accuracy_score(true[rows], good[rows]))
    assert found["macro_f1"][0] == pytest.approx(f1_score(true[rows], good[rows], average="macro"))
    assert found["balanced_accuracy"][0] == pytest.approx(balanced_accuracy_score(true[rows], good[rows]))
    for name, values in scores(true, good, parts=7).resampled().items():
        np.testing.assert_array_equal(values, found[name])


def test_a_run_is_not_above_itself(drawn):
    true, good, _ = drawn
    for each in differences(scores(true, good), scores(true, good)).values():
        assert (each.difference, each.interval) == (0, (0, 0))
        assert each.p_value == 1


@dataclass(frozen=True)
class Right:
    """Scores of answers of which these (sample,) bool are right, resampled by `rows` (resample, sample)."""

    right: np.ndarray
    rows: np.ndarray

    def metrics(self):
        return {"accuracy": self.right.mean()}

    def resampled(self):
        return {"accuracy": self.right[self.rows].mean(axis=1)}


def test_models_that_are_alike_are_told_apart_no_more_often_than_the_p_value_says():
    """Of 200 pairs of models that are each right on nine tenths by chance, a twentieth has p < 0.05; 18 or more have it
    with a chance of 0.01."""
    random = np.random.default_rng(1)
    rows, below = random.integers(0, 300, (1000, 300)), 0
    for _ in range(200):
        one, other = (Right(random.random(300) < 0.9, rows) for _ in range(2))
        below += differences(one, other)["accuracy"].p_value < 0.05
    assert below < 18


@pytest.mark.parametrize("more", [18, 20, 22])
def test_the_p_value_is_that_of_a_difference_of_paired_proportions(more):
    """Of 300 answers 30 are right in one model alone, `more` of them in the first: the normal test of such a share."""
    rows = np.random.default_rng(0).integers(0, 300, (1000, 300))
    one, other = np.ones(300, bool), np.ones(300, bool)
    one[more:30], other[:more] = False, False
    found = differences(Right(one, rows), Right(other, rows))["accuracy"]

    gained = 2 * more - 30
    away = gained / np.sqrt(30 - gained**2 / 300)
    assert found.difference == pytest.approx(gained / 300)
    assert found.p_value == pytest.approx(2 * NormalDist().cdf(-away), abs=0.03)


def test_a_task_that_does_not_resample_is_refused():
    given = Scores(Regression(0.0, 1.0))
    with pytest.raises(UsageError, match="Regression does not say how its scores vary"):
        given.resampled()
