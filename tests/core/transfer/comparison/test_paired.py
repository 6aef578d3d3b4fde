import math

import numpy as np
import pytest
from scipy import stats

from headstart.transfer.comparison.paired import holm, labels_for, paired, rising, saving


def test_the_interval_and_p_value_are_those_of_scipys_paired_t_test():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.8, 0.02, 5), rng.normal(0.77, 0.03, 5)
    found = paired([*(one - other)])
    test = stats.ttest_rel(one, other)
    interval = test.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((interval.low, interval.high, test.pvalue), rel=1e-9)
    assert found.mean == pytest.approx(np.mean(one - other))


def test_one_pair_has_no_interval_and_neither_have_several_that_no_seed_changes():
    for differences in ([0.3], [0.3, 0.3, 0.3]):
        found = paired(differences)
        assert (found.low, found.high, found.p) == (None, None, None)
        assert found.holds_zero
    assert paired([0.0, 0.0]).p == 1.0


def test_a_95_percent_interval_of_three_pairs_holds_the_truth_in_95_percent():
    rng = np.random.default_rng(1)
    draws = rng.normal(0, 1, (1000, 3))
    held = [paired([*row]).holds_zero for row in draws]
    assert np.mean(held) == pytest.approx(0.95, abs=0.017)


def test_holms_procedure_gives_the_example_of_its_textbooks():
    """Four p-values: 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04, which is no less than the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_curve_that_falls_is_pooled_as_isotonic_regression_does():
    from sklearn.isotonic import IsotonicRegression

    values = [*np.random.default_rng(2).normal(0, 1, 20)]
    assert rising(values) == pytest.approx(IsotonicRegression().fit_transform(range(20), values))


def test_labels_are_read_off_the_logarithm():
    curve = {10: 0.2, 100: 0.4, 1000: 0.6}
    assert labels_for(curve, 0.5).count == pytest.approx(10**2.5)
    assert labels_for(curve, 0.4).count == pytest.approx(100)
    assert (labels_for(curve, 0.7).count, labels_for(curve, 0.7).bound) == (1000, "at least")
    assert (labels_for(curve, 0.1).count, labels_for(curve, 0.1).bound) == (10, "at most")
    assert labels_for(curve, 0.2).bound == ""


@pytest.mark.parametrize("factor", [2.0, 3.7, 8.0])
def test_a_curve_that_is_another_with_so_many_times_the_labels_saves_just_that(factor):
    counts = (64, 128, 256, 512, 1024)
    scratch = {count: 0.1 * math.log2(count) for count in counts}
    better = {count: 0.1 * math.log2(factor * count) for count in counts}
    assert saving(better, scratch).ratio == pytest.approx(factor)
    assert saving(scratch, better).ratio == pytest.approx(1 / factor)
    assert saving(scratch, scratch).ratio == pytest.approx(1)


def test_curves_that_are_alike_save_nothing_flat_ones_too():
    for curve in ({10: 0.5, 100: 0.5}, {10: 0.5, 100: 0.4, 1000: 0.6}, {10: 0.9, 100: 0.3}):
        assert (saving(curve, curve).ratio, saving(curve, curve).bound) == (pytest.approx(1), "")


def test_a_control_that_stops_to_rise_needs_its_labels_up_to_there():
    found = saving({100: 0.7, 200: 0.8, 400: 0.9}, {100: 0.5, 200: 0.7, 400: 0.7})
    assert found.ratio == pytest.approx(2)


def test_a_saving_beyond_the_fewest_labels_is_a_bound():
    scratch = {100: 0.3, 1000: 0.5}
    found = saving({100: 0.9, 1000: 0.95}, scratch)
    assert (found.ratio, found.bound) == (10, "at least")
    found = saving({100: 0.1, 1000: 0.2}, scratch)
    assert (found.ratio, found.bound) == (0.1, "at most")
