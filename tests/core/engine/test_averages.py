"""Averages of weights: the greedy soup and the interpolation that val chooses, beside every one there could be."""

import numpy as np
import pytest

from headstart.engine.train.weight_averaging import Outcome, best_share, greedy_soup, interpolated, mean_of


def is_better(new, old):
    return new["loss"] < old["loss"]


class Quadratic:
    """The loss |w - centre|^2 of one weight w (2,), and how often it was asked for."""

    def __init__(self, centre):
        self.centre, self.asked = np.array(centre), 0

    def __call__(self, arrays):
        self.asked += 1
        return {"loss": float(((arrays["w"].astype(np.float64) - self.centre) ** 2).sum())}

    def outcomes(self, *weights):
        arrays = [{"w": np.array(each, np.float32)} for each in weights]
        return [Outcome(each, self(each)) for each in arrays]


def greedy_by_hand(points, centre):
    """Algorithm 1 of the paper: sorted by loss, each kept where the mean with it is no worse."""

    def loss(members):
        return ((np.mean([points[each] for each in members], axis=0) - centre) ** 2).sum()

    order = sorted(range(len(points)), key=lambda place: loss([place]))
    members = order[:1]
    for place in order[1:]:
        if loss([*members, place]) <= loss(members):
            members.append(place)
    return members


@pytest.mark.parametrize("seed", range(20))
def test_a_greedy_soup_has_the_members_that_the_papers_algorithm_picks(seed):
    draw = np.random.default_rng(seed)
    points, centre = draw.normal(size=(5, 2)), draw.normal(scale=0.3, size=2)
    measure = Quadratic(centre)
    outcome, members = greedy_soup(measure.outcomes(*points), measure, is_better)

    assert list(members) == greedy_by_hand(points.astype(np.float32).astype(np.float64), centre)
    mean = np.mean([points[each] for each in members], axis=0)
    assert outcome.arrays["w"] == pytest.approx(mean, abs=1e-6)
    assert outcome.metrics["loss"] == pytest.approx(((mean - centre) ** 2).sum(), rel=1e-5)


def test_some_of_those_soups_have_one_member_and_some_have_several():
    """Else the test above would show little."""
    sizes = set()
    for seed in range(20):
        draw = np.random.default_rng(seed)
        sizes.add(len(greedy_by_hand(draw.normal(size=(5, 2)), draw.normal(scale=0.3, size=2))))

    assert len(sizes) > 2


def test_a_soup_of_one_outcome_is_that_outcome_and_asks_val_nothing():
    measure = Quadratic([0.0, 0.0])
    (only,) = measure.outcomes([1.0, 2.0])
    asked = measure.asked
    outcome, members = greedy_soup([only], measure, is_better)

    assert outcome is only
    assert members == (0,)
    assert measure.asked == asked


def test_of_equal_outcomes_the_first_is_the_first_member():
    measure = Quadratic([0.0, 0.0])
    _, members = greedy_soup(measure.outcomes([3.0, 3.0], [1.0, 0.0], [0.0, 1.0]), measure, is_better)

    assert members == (1, 2)


def test_a_mean_is_added_up_in_float64_and_keeps_the_weights_own_type():
    big, small = np.float32(2**24), np.float32(1)
    arrays = [{"w": np.array([each])} for each in (big, small, small)]
    mean = mean_of(arrays)["w"]

    assert mean.dtype == np.float32
    assert mean[0] == np.float32((2.0**24 + 2) / 3)


@pytest.mark.parametrize("centre", [0.0, 0.3, 0.62, 1.0, 2.0])
def test_the_best_share_is_the_one_nearest_to_the_least_of_a_parabola(centre):
    """From w = 0 to w = 1 a share is the weight itself."""
    measure = Quadratic([centre, centre])
    start, end = measure.outcomes([0.0, 0.0], [1.0, 1.0])
    shares = (0.1, 0.25, 0.5, 0.75)
    outcome, share = best_share(start, end, shares, measure, is_better)

    assert share == min((0.0, *shares, 1.0), key=lambda share: abs(share - centre))
    assert outcome.arrays["w"] == pytest.approx([share] * 2, abs=1e-7)
    assert outcome.metrics == measure(outcome.arrays)


def test_of_equally_good_shares_the_largest_is_taken_and_the_end_before_all():
    measure = Quadratic([0.5, 0.5])
    start, end = measure.outcomes([0.0, 0.0], [1.0, 1.0])

    assert best_share(start, end, (0.25, 0.75), measure, is_better)[1] == 0.75
    assert best_share(start, end, (0.0, 1.0), measure, is_better)[1] == 1.0


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_ends_of_an_interpolation_are_start_and_end_to_the_bit(scale):
    draw = np.random.default_rng(0)
    start, end = ({"w": (scale * draw.normal(size=1000)).astype(np.float32)} for _ in range(2))
    halves = interpolated(start, end, 0.5)["w"]

    assert np.array_equal(interpolated(start, end, 0.0)["w"], start["w"])
    assert np.array_equal(interpolated(start, end, 1.0)["w"], end["w"])
    assert halves == pytest.approx((start["w"] + end["w"]) / 2, rel=1e-6, abs=1e-6 * scale)


def test_what_the_start_has_beyond_the_end_is_left_out():
    start, end = {"w": np.ones(2), "frozen": np.ones(2)}, {"w": np.zeros(2)}

    assert set(interpolated(start, end, 0.5)) == {"w"}
