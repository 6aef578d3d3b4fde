"""The tables of `strategies.py`: intervals, differences to the guide, and the place in BENCHMARKS.md."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # these scripts import one another by bare names

from strategies_table import Found, complete_seeds, mean_of, p9_rows, page, set_rows


def found(pictures, side, seed, test, *, backend="torch", trained=10, seconds=1.0):
    return Found(pictures, side, backend, seed, test, trained, seconds)


def test_the_interval_of_three_seeds_is_that_of_students_t():
    """t(0.975, 2) = 4.303 from a printed table; s of (0.90, 0.92, 0.94) is 0.02."""
    mean = mean_of([0.90, 0.92, 0.94])
    assert mean.value == pytest.approx(0.92)
    assert mean.half == pytest.approx(4.303 * 0.02 / 3**0.5, rel=1e-3)
    assert mean.told() == "92.0 ± 5.0"


def test_one_seed_has_no_interval():
    assert mean_of([0.5]).told() == "50.0"


def two_sets():
    guide = [found("a", "guide", seed, 0.80) for seed in (0, 1)] + [found("b", "guide", seed, 0.60) for seed in (0, 1)]
    ours = [found("a", "lp_ft", seed, 0.86) for seed in (0, 1)] + [found("b", "lp_ft", seed, 0.59) for seed in (0, 1)]
    return guide, ours


def test_the_goal_counts_the_mean_over_sets_and_the_worst_set():
    guide, ours = two_sets()
    row = p9_rows([*guide, *ours])[1]
    assert row[:3] == ("lp_ft", "torch", "2 x 2")
    assert row[3] == "72.5 ± 0.0"
    assert row[4] == "+2.5 ± 0.0"
    assert row[5] == "-1.0 (b)"
    assert row[6] == "missed"  # the mean reaches 1.5, one set loses more than 0.5


def test_the_goal_is_met_where_no_set_loses():
    guide, ours = two_sets()
    better = [found("b", "lp_ft", cell.seed, 0.60) if cell.pictures == "b" else cell for cell in ours]
    assert p9_rows([*guide, *better])[1][6] == "met"
    assert p9_rows([*guide, *better])[0][6] == ""  # the guide itself has no goal


def test_a_backend_is_compared_with_its_own_guide():
    guide, ours = two_sets()
    jax = [found("a", "lp_ft", 0, 0.9, backend="jax")]
    rows = {row[:2]: row for row in p9_rows([*guide, *ours, *jax])}
    assert rows["lp_ft", "jax"][2] == "0"  # it has none
    assert rows["lp_ft", "torch"][4] == "+2.5 ± 0.0"


def test_a_seed_that_lacks_a_set_is_left_out_of_the_means():
    """Else an unfinished sweep would average an easy set in one seed with all of them in another."""
    guide, ours = two_sets()
    short = [cell for cell in ours if (cell.pictures, cell.seed) != ("b", 1)]
    assert complete_seeds(short) == [0]
    row = p9_rows([*guide, *short])[1]
    assert (row[2], row[3]) == ("2 x 1", "72.5")


def test_a_row_tells_each_seed_and_a_range_of_what_learned():
    cells = [found("a", "surgical", 0, 0.91, trained=1000), found("a", "surgical", 1, 0.93, trained=25000, seconds=4)]
    assert set_rows(cells) == [
        ("surgical", "torch", mean_of([0.91, 0.93]).told(), "91.0, 93.0", "1,000 to 25,000", "2")
    ]


def test_a_page_says_how_many_pictures_each_set_has():
    guide, ours = two_sets()
    counts = {name: {"train": 7, "val": 2, "test": 3} for name in "ab"}
    assert "### a: 7 + 2 + 3 pictures" in page([*guide, *ours], counts, ["how"])
