import numpy as np
import pytest

from headstart.transfer.comparison.similarity import debiased_cka


def direct(one, other):
    """The unbiased estimator by its definition: sums over samples that all differ (Song et al. 2012, section 3)."""
    from itertools import permutations

    def hsic(one, other):
        n = len(one)
        pairs = [*permutations(range(n), 2)]
        triples = [*permutations(range(n), 3)]
        quads = [*permutations(range(n), 4)]
        return (
            np.mean([one[i, j] * other[i, j] for i, j in pairs])
            + np.mean([one[i, j] * other[q, r] for i, j, q, r in quads])
            - 2 * np.mean([one[i, j] * other[i, q] for i, j, q in triples])
        )

    mine, theirs = (each @ each.T for each in (one, other))
    return hsic(mine, theirs) / np.sqrt(hsic(mine, mine) * hsic(theirs, theirs))


def test_it_is_the_estimator_of_its_definition():
    rng = np.random.default_rng(0)
    one = rng.normal(0, 1, (7, 5)) + 3
    other = one[:, :3] + rng.normal(0, 0.5, (7, 3))
    assert debiased_cka(one, other) == pytest.approx(direct(one, other), abs=1e-9)


def test_turns_and_scales_of_the_channels_change_nothing():
    rng = np.random.default_rng(1)
    one = rng.normal(0, 1, (40, 6))
    turn = np.linalg.qr(rng.normal(0, 1, (6, 6)))[0]
    assert debiased_cka(one, 1e-6 * one @ turn + 2) == pytest.approx(1, abs=1e-9)


def test_unrelated_arrays_with_more_channels_than_samples_are_unlike():
    rng = np.random.default_rng(2)
    found = debiased_cka(rng.normal(0, 1, (50, 500)), rng.normal(0, 1, (50, 500)))
    assert abs(found) < 0.1  # where the plain estimator has 0.9


def test_a_constant_array_has_none_and_three_samples_are_too_few():
    assert debiased_cka(np.ones((10, 3)), np.random.default_rng(0).normal(0, 1, (10, 3))) is None
    with pytest.raises(ValueError, match="four or more"):
        debiased_cka(np.ones((3, 2)), np.ones((3, 2)))
