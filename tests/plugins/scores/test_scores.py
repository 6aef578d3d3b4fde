"""Transfer scores give what their papers and their authors' code give, and say no where they are not defined."""

import functools
import importlib

import numpy as np
import pytest
from recorded import recorded
from score_data import CASES, made
from sklearn.covariance import ledoit_wolf
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier

from headstart.errors import DataError
from headstart.registry import load_registry
from headstart.specs import Observed, ScoreRequest

RESAMPLES = 8
registry = functools.cache(load_registry)


def observed(features, targets, form="classes", answers=None, groups=None, resamples=RESAMPLES):
    weights = np.random.default_rng(0).exponential(size=(resamples, len(features)))
    weights *= len(features) / weights.sum(axis=1, keepdims=True)
    groups = np.arange(len(features)) if groups is None else groups
    return Observed(features, form, targets, groups, weights, answers)


def measured(name, seen, **options):
    spec = registry().get("scores", name)
    build = registry().load_target(spec, spec.build)
    return build(ScoreRequest(spec.options(**options))).measure(seen)


def by_hand(features, columns):
    """LogME's fixed point with matrices of channels squared and nothing decomposed: MacKay's evidence of a ridge."""
    features = features.astype(np.float64)
    records, channels = features.shape
    square, found = features.T @ features, []
    for column in columns.T:
        alpha = beta = 1.0
        for _ in range(11):
            inverse = np.linalg.inv(alpha * np.eye(channels) + beta * square)
            weights = beta * inverse @ features.T @ column
            known = channels - alpha * np.trace(inverse)
            size, errors = weights @ weights, np.sum((column - features @ weights) ** 2)
            before = alpha / beta
            alpha, beta = known / (size + 1e-5), (records - known) / (errors + 1e-5)
            if abs(alpha / beta - before) / before <= 1e-3:
                break
        determinant = np.linalg.slogdet(alpha * np.eye(channels) + beta * square)[1]
        determinant -= max(channels - records, 0) * np.log(alpha)  # axes without a record, which the authors leave out
        evidence = channels * np.log(alpha) + records * np.log(beta / (2 * np.pi)) - determinant
        found.append((evidence - beta * errors - alpha * size) / 2 / records)
    return np.mean(found)


@pytest.mark.parametrize("case", CASES)
def test_logme_is_the_evidence_that_matrices_by_hand_give(case):
    features, classes, numbers, _ = made(case)
    of_classes = measured("logme", observed(features, classes)).value
    assert of_classes == pytest.approx(by_hand(features, np.eye(classes.max() + 1)[classes]), abs=1e-6)
    of_numbers = measured("logme", observed(features, numbers, "numbers")).value
    assert of_numbers == pytest.approx(by_hand(features, numbers), abs=1e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["logme", "logme of numbers", "leep", "nce", "transrate"])
def test_scores_are_those_of_their_authors_code(case, name):
    features, classes, numbers, answers = made(case)
    form, targets = ("numbers", numbers) if name.endswith("numbers") else ("classes", classes)
    found = measured(name.partition(" ")[0], observed(features, targets, form, answers)).value
    expected = recorded("scores")[case][name]
    assert abs(expected) > 0.01
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_the_h_score_is_that_of_scikit_learns_shrunk_covariance(case):
    features, classes, _, _ = made(case)
    centred = features.astype(np.float64) - features.astype(np.float64).mean(axis=0)
    covariance, shrinkage = ledoit_wolf(centred, assume_centered=True)
    means = np.stack([centred[classes == each].mean(axis=0) for each in range(classes.max() + 1)])[classes]
    expected = np.trace(np.linalg.solve(covariance, (1 - shrinkage) * means.T @ means / (len(classes) - 1)))
    assert measured("h_score", observed(features, classes)).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["probe", "knn"])
def test_what_one_answer_to_all_gets_stands_beside_what_features_get(name):
    features, classes, numbers, _ = made("more records")
    classes = np.where(np.arange(len(classes)) % 3 == 0, 1, classes)
    blind = measured(name, observed(features, classes)).baseline
    expected = DummyClassifier(strategy="most_frequent").fit(features, classes).score(features, classes)
    assert (blind.value, blind.says) == (pytest.approx(expected), "always the commonest class")
    assert 0.3 < blind.value < 0.9
    blind = measured(name, observed(features, numbers, "numbers")).baseline
    expected = DummyRegressor().fit(features, numbers).score(features, numbers)
    assert (blind.value, blind.says) == (pytest.approx(expected, abs=1e-12), "always the mean")


def test_the_bhattacharyya_score_is_the_sum_over_pairs_of_classes():
    features, classes, _, _ = made("more records")
    centred = features.astype(np.float64) - features.astype(np.float64).mean(axis=0)
    members = [centred[classes == each] for each in range(5)]
    means, variances = [each.mean(axis=0) for each in members], [each.var(axis=0).mean() for each in members]
    expected = 0.0
    for one in range(5):
        for other in set(range(5)) - {one}:
            joint = (variances[one] + variances[other]) / 2
            distance = np.sum((means[one] - means[other]) ** 2) / 8 / joint
            distance += 40 / 2 * np.log(joint / np.sqrt(variances[one] * variances[other]))
            expected -= np.exp(-distance)
    assert expected < -0.01
    assert measured("gbc", observed(features, classes)).value == pytest.approx(expected, rel=1e-9)


def test_neighbours_answer_as_scikit_learns_do_with_each_record_left_out():
    features, classes = load_digits(return_X_y=True)
    features, classes = features[:200].astype(np.float32), classes[:200]
    centred = features - features.mean(axis=0)
    right = []
    for row in range(200):
        others = np.delete(np.arange(200), row)
        near = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(centred[others], classes[others])
        right.append(near.predict(centred[row : row + 1])[0] == classes[row])
    found = measured("knn", observed(features, classes), neighbours=1).value
    assert 0.5 < found < 1.0
    assert found == pytest.approx(np.mean(right))


def test_the_probe_answers_left_out_records_as_ridges_fitted_without_them():
    features, classes = load_digits(return_X_y=True)
    features, classes = features[:150].astype(np.float32), classes[:150]
    seen, marks = observed(features, classes), np.eye(10)[classes]
    spec = registry().get("scores", "probe")
    module = importlib.import_module(spec.build.partition(":")[0])
    probe = module.Probe(ScoreRequest(spec.options(folds=5)))
    best = (np.inf, 0.0)
    for strength in module.STRENGTHS:
        alpha = strength * seen.spectrum.scatter / len(seen.spectrum.energies)
        answers = np.empty_like(marks)
        for rows in probe._folds(seen):
            others = np.setdiff1d(np.arange(150), rows)
            # the strength and its unit are those of all records, and so is the intercept's share of none
            answers[rows] = Ridge(alpha).fit(features[others].astype(np.float64), marks[others]).predict(features[rows])
        best = min(best, (((answers - marks) ** 2).sum(), float((answers.argmax(axis=1) == classes).mean())))
    assert probe.measure(seen).value == pytest.approx(best[1])
    assert best[1] > 0.8


def test_the_probe_and_neighbours_tell_numbers_by_r_squared():
    features, _, numbers, _ = made("more records")
    seen = observed(features, numbers[:, :1], "numbers")
    assert measured("probe", seen).value > 0.99  # a sum of three channels
    assert 0.0 < measured("knn", seen).value < 0.9
    noise = observed(features, numbers[:, 1:], "numbers")
    assert measured("probe", noise).value < 0.1


@pytest.mark.parametrize("name", ["probe", "knn"])
def test_records_of_one_group_do_not_answer_for_each_other(name):
    random = np.random.default_rng(0)
    people, classes = np.repeat(np.arange(30), 4), np.repeat(np.arange(30) % 3, 4)
    features = np.repeat(random.normal(size=(30, 50)), 4, axis=0) + 0.01 * random.normal(size=(120, 50))
    features = features.astype(np.float32)
    alone = measured(name, observed(features, classes)).value
    kept = measured(name, observed(features, classes, groups=people)).value
    assert alone > 0.95
    assert kept < 0.6


@pytest.mark.parametrize("name", ["probe", "knn"])
def test_an_accuracy_of_one_has_the_interval_of_as_many_hits_as_groups(name):
    """Of 20 of 20: 0.839 to 1 (Newcombe 1998)."""
    classes = np.repeat([0, 1], 20)
    features = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    features[:, 0] += 40 * classes
    found = measured(name, observed(features, classes, groups=np.arange(40) // 2))
    assert found.value == 1.0
    assert found.interval == pytest.approx((1 - 0.1611, 1.0), abs=5e-5)
    chance = measured(name, observed(features, np.arange(40) % 10))
    low, high = chance.interval
    assert 0 <= low <= chance.value <= high < 0.4


def test_n_leep_prefers_features_in_which_classes_are_clusters():
    features, classes, _, _ = made("more records")
    good = measured("n_leep", observed(features, classes)).value
    bad = measured("n_leep", observed(features, np.random.default_rng(0).permutation(classes))).value
    assert bad < good < 0.0


def test_scores_from_a_head_are_refused_without_one():
    features, classes, _, _ = made("as many")
    for name in ("leep", "nce"):
        with pytest.raises(DataError, match="head is not at hand"):
            measured(name, observed(features, classes))


@pytest.mark.parametrize(
    "name",
    [
        "logme",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("probe", "knn", "h_score", "transrate", "gbc")),
    ],
)
def test_the_spread_of_resamples_is_about_that_of_other_records(name):
    """Half of the digits, drawn anew: scores of them vary as resampling one half says, within a factor of 2.5."""
    features, classes = load_digits(return_X_y=True)
    features = features.astype(np.float32)
    random, values, said = np.random.default_rng(0), [], []
    for _ in range(12):
        rows = random.permutation(len(classes))[:300]
        found = measured(name, observed(features[rows], classes[rows], resamples=20))
        values.append(found.value)
        said.append(found.resampled.std())
    assert 0.4 < np.mean(said) / np.std(values) < 2.5


@pytest.mark.parametrize("name", ["probe", "knn"])
@pytest.mark.parametrize("case", CASES)
def test_records_of_one_group_have_none_that_could_answer_for_them(name, case):
    """Not the number that rounding makes of a matrix without an inverse."""
    features, classes, _, _ = made(case)
    with pytest.raises(DataError, match="group"):
        measured(name, observed(features, classes, groups=np.zeros(len(classes), int)))
