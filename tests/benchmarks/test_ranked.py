"""Our weighted tau is that of the definition, and of the public table of ten networks on eight sets."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from ranked import tau, tau_with_interval  # noqa: E402

TABLE = json.loads((HERE / "published_taus.json").read_text("utf-8"))["sets"]
ODD = {"Aircraft", "OxfordIIITPets"}
"""Sets whose published correlations, Pearson's too, are not those of the numbers beside them."""
COPIED = ("DTD", "nce")
"""A column that repeats the one of LogME."""
ROUNDED = {("Caltech101", "logme"), ("CIFAR100", "logme"), ("DTD", "logme")}
"""Scores that are equal as they are printed, and were not before."""
CELLS = [(each["set"], name) for each in TABLE for name in ("h_score", "leep", "logme", "nce")]
SOUND = [cell for cell in CELLS if cell[0] not in ODD and cell != COPIED and cell not in ROUNDED]


def by_definition(one, other):
    """Vigna 2015, equation 4: pairs weighed by 1 / (rank + 1) of both, of which the mean over the two rankings."""

    def ranked_by(first, second):
        order = np.lexsort((second, first))[::-1]
        ranks = np.empty(len(order))
        ranks[order] = np.arange(len(order))
        weights = 1 / (1 + ranks)

        def product(x, y):
            gaps_x, gaps_y = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
            return np.sum(gaps_x * gaps_y * (weights[:, None] + weights))

        return product(one, other) / np.sqrt(product(one, one) * product(other, other))

    return (ranked_by(one, other) + ranked_by(other, one)) / 2


def of_set(name):
    (found,) = (each for each in TABLE if each["set"] == name)
    return found


def test_the_weighted_tau_is_that_of_its_definition():
    random = np.random.default_rng(0)
    for count in (3, 8, 15):
        one, other = random.normal(size=(2, count))
        other = np.round(other, 1)  # with equal ones
        assert tau(one, other) == pytest.approx(by_definition(one, other))


@pytest.mark.parametrize(("name", "score"), SOUND)
def test_the_weighted_tau_is_the_published_one(name, score):
    found = of_set(name)
    assert tau(np.array(found["accuracy"]), np.array(found[score])) == pytest.approx(found["tau"][score], abs=6e-4)


@pytest.mark.parametrize(("name", "score"), sorted(ROUNDED))
def test_where_printed_scores_are_equal_it_is_near_the_published_one(name, score):
    found = of_set(name)
    assert len(set(found[score])) < 10
    assert tau(np.array(found["accuracy"]), np.array(found[score])) == pytest.approx(found["tau"][score], abs=0.03)


def test_what_is_left_out_contradicts_itself():
    """Their Pearson correlations, which depend on no definition, differ from the numbers beside them as well."""
    assert len(SOUND) == 20
    for name in ODD:
        found = of_set(name)
        pearson = np.corrcoef(found["accuracy"], found["h_score"])[0, 1]
        assert abs(pearson - found["pearson"]["h_score"]) > 0.1
    assert of_set(COPIED[0])[COPIED[1]] == of_set(COPIED[0])["logme"]


def test_the_published_means_are_those_that_the_documents_cite():
    means = {name: np.mean([each["tau"][name] for each in TABLE]) for name in ("h_score", "logme", "nce", "leep")}
    assert {name: round(float(value), 2) for name, value in means.items()} == {
        "h_score": 0.67,
        "logme": 0.67,
        "nce": 0.5,
        "leep": 0.29,
    }


def test_an_interval_over_sources_holds_the_value_and_narrows_with_agreement():
    random = np.random.default_rng(1)
    accuracy = random.uniform(size=14)
    value, low, high = tau_with_interval(accuracy, accuracy + 0.001 * random.normal(size=14))
    noise = tau_with_interval(accuracy, random.normal(size=14))
    assert value > 0.95
    assert low <= value <= high
    assert high - low < 0.3 < noise[2] - noise[1]
