"""The calibration error by hand, and the temperature where a loss is least."""

import numpy as np
import pytest

from headstart.calibration import BINS, expected_calibration_error, fit_temperature, stored_temperature
from headstart.errors import DataError


def by_hand(probability, happened):
    """Equation 3 of Guo et al. 2017, bin by bin."""
    error = 0.0
    for number in range(BINS):
        inside = (probability > number / BINS) & (probability <= (number + 1) / BINS)
        if number == 0:
            inside |= probability == 0
        if inside.any():
            error += inside.mean() * abs(happened[inside].mean() - probability[inside].mean())
    return error


def test_the_calibration_error_is_the_papers():
    random = np.random.default_rng(0)
    probability = random.beta(5, 2, 4000)
    happened = (random.random(4000) < probability**2).astype(float)
    assert expected_calibration_error(probability, happened) == pytest.approx(by_hand(probability, happened), abs=1e-12)
    assert by_hand(probability, happened) > 0.1


def test_an_answer_that_counts_three_times_is_there_three_times():
    random = np.random.default_rng(1)
    probability, often = random.beta(5, 2, 500), random.integers(1, 5, 500)
    happened = (random.random(500) < probability**2).astype(float)
    expected = expected_calibration_error(np.repeat(probability, often), np.repeat(happened, often))
    assert expected_calibration_error(probability, happened, often / 7) == pytest.approx(expected, abs=1e-12)
    assert expected_calibration_error(probability, happened) != pytest.approx(expected, abs=1e-4)
    plain = expected_calibration_error(probability, happened)
    assert expected_calibration_error(probability, happened, np.ones(500)) == plain  # to the bit


def test_ends_of_bins_belong_below_and_honest_answers_have_no_error():
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([0, 1])) == 0.0
    edges = np.arange(1, 16) / 15
    assert expected_calibration_error(edges, np.zeros(15)) == pytest.approx(by_hand(edges, np.zeros(15)))


def test_the_temperature_is_where_the_loss_is_least_and_1_where_it_falls_without_end():
    assert fit_temperature(lambda t: (np.log(t) - np.log(2.5)) ** 2) == pytest.approx(2.5, rel=1e-4)
    assert fit_temperature(lambda t: np.exp(-1 / t)) == 1.0
    with pytest.raises(ValueError, match="nan"):
        fit_temperature(lambda t: float("nan"))


@pytest.mark.parametrize("value", ["hot", 0, -1.0, True, float("inf"), [1.0]])
def test_a_stored_temperature_is_a_number_above_0(value):
    assert stored_temperature({}) is None
    assert stored_temperature({"temperature": 2}) == 2.0
    with pytest.raises(DataError, match="temperature"):
        stored_temperature({"temperature": value})
