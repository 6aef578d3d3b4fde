"""Intervals of shares beside published ones."""

import pytest

from headstart_plugins._wilson import wilson_interval


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_equal_published_values(hits, total, low, high):
    assert wilson_interval(hits / total, total) == pytest.approx((low, high), abs=5e-5)


def test_a_perfect_score_has_a_wilson_interval_that_ends_at_one():
    low, high = wilson_interval(1.0, 40)
    assert high == 1.0
    assert low == pytest.approx(40 / (40 + 1.959964**2))
