"""What a range test's curve suggests, against curves whose answer is known in closed form."""

import numpy as np
import pytest

from headstart.rate_curve import BETA, LEAST, RateCurve, smoothed, smoothed_so_far

RATES = np.geomspace(1e-7, 1.0, 211)


def falling_then_rising(rates, *, fall=1e-4, rise=1e-1):
    """1 - sigmoid(2 (ln r - ln fall)) falls the fastest at `fall` exactly; a quadratic in r lifts it beyond `rise`."""
    return 2.0 - 1.5 / (1 + np.exp(-2 * (np.log(rates) - np.log(fall)))) + (rates / rise) ** 2


def test_rates_rise_by_the_same_factor_from_the_lowest_to_the_highest():
    assert RATES[[0, -1]] == pytest.approx([1e-7, 1.0])
    assert np.diff(np.log(RATES)) == pytest.approx(np.log(1e7) / 210)


def test_the_average_so_far_is_the_weighted_mean_that_its_bias_correction_makes_it():
    losses = np.random.default_rng(0).normal(2, 1, 40)
    weights = BETA ** np.arange(40)[::-1]
    assert smoothed_so_far(losses)[-1] == pytest.approx(np.average(losses, weights=weights))
    assert smoothed_so_far(losses)[0] == losses[0]


def test_smoothing_moves_a_line_nowhere_away_from_its_ends():
    """An average of the past alone would lag by BETA / (1 - BETA) = 9 steps."""
    line = np.arange(200.0)
    assert smoothed(line)[80:120] == pytest.approx(line[80:120], abs=0.02)
    assert smoothed_so_far(line)[100] == pytest.approx(line[100] - 9, abs=0.02)


@pytest.mark.parametrize("fall", [1e-5, 1e-4, 1e-3])
def test_the_suggestion_is_the_rate_at_which_the_loss_falls_the_fastest(fall):
    curve = RateCurve(RATES, falling_then_rising(RATES, fall=fall))
    assert not curve.is_flat
    assert curve.steepest == pytest.approx(fall, rel=0.25)


def test_a_noisy_curve_suggests_about_the_same():
    noise = np.random.default_rng(1).normal(0, 0.05, len(RATES))
    found = RateCurve(RATES, falling_then_rising(RATES) + noise).steepest
    assert 1e-4 / 3 < found < 1e-4 * 3


def test_the_alternative_is_a_tenth_of_the_least_losss_rate():
    curve = RateCurve(RATES, falling_then_rising(RATES, fall=1e-5))
    assert curve.tenth == pytest.approx(RATES[curve.least] / 10)
    assert 1e-4 < RATES[curve.least] < 1e-1


def test_where_the_curve_is_flat_nothing_is_suggested():
    curve = RateCurve(RATES, np.full(len(RATES), 2.0))
    assert (curve.is_flat, curve.steepest, curve.tenth) == (True, None, None)


def test_what_is_drawn_as_smoothed_rises_as_the_losses_do():
    """The suggestion is judged by less of that rise, which ends the test where it is far above the least loss."""
    curve = RateCurve(RATES, falling_then_rising(RATES, rise=3e-2))
    assert curve.losses[-1] > 100
    assert np.array_equal(curve.smoothed, smoothed(curve.losses))
    assert curve.smoothed[-1] > 20 * curve.losses[0]
    assert curve.steepest == pytest.approx(1e-4, rel=0.25)


def test_the_suggestion_lies_before_the_rise_even_where_the_loss_falls_again_after_it():
    losses = falling_then_rising(RATES, fall=1e-5, rise=1e-3)
    again = np.minimum(losses, 3.0)
    again[-20:] = np.linspace(3.0, 1.0, 20)
    curve = RateCurve(RATES, again)
    assert curve.steepest < RATES[curve.least] < 1e-3


@pytest.mark.parametrize(
    "losses",
    [
        np.full(211, 0.7),
        0.7 + np.random.default_rng(2).normal(0, 0.1, 211),
        0.1 + RATES * 4,
        np.linspace(0.700, 0.699, 211),
    ],
    ids=["constant", "noise alone", "only rising", "hardly falling"],
)
def test_a_curve_that_does_not_clearly_fall_suggests_nothing(losses):
    curve = RateCurve(RATES, losses)
    assert curve.is_flat
    assert curve.steepest is None


@pytest.mark.parametrize("steps", [LEAST, 50, 211])
def test_of_curves_of_noise_alone_hardly_any_suggests_a_rate(steps):
    """Fewer than 1 in 500; the draws are always the same."""
    noise = np.random.default_rng(3).normal(0.7, 0.1, (2000, steps))
    curves = [RateCurve(np.geomspace(1e-7, 1.0, steps), losses) for losses in noise]
    assert sum(not curve.is_flat for curve in curves) < 5


@pytest.mark.parametrize("count", [0, 1, LEAST - 1])
def test_too_few_steps_say_nothing(count):
    curve = RateCurve(RATES[:count], falling_then_rising(RATES[:count]))
    assert (curve.least, curve.steepest, curve.tenth, curve.is_flat) == (None, None, None, True)
