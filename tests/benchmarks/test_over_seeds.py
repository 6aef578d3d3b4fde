"""A finished cell is not run again, and figures are means with their intervals."""

import argparse
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from over_seeds import Cell, Shelf, cells_of, figure


def test_an_interval_is_that_of_students_t():
    # t(0.975) of two degrees of freedom is 4.3027; the deviation of 0.1, 0.2, 0.3 is 0.1.
    assert figure([0.1, 0.2, 0.3]) == f"0.200 ± {4.3027 * 0.1 / 3**0.5:.3f}"
    assert figure([0.25]) == "0.250 (1 seed)"
    assert figure([]) == "not run"


@pytest.mark.parametrize("place", ["out", "kept"])
def test_a_cell_that_is_finished_is_not_run_again(tmp_path, place):
    shelf = Shelf(tmp_path / "out", tmp_path / "kept.json")
    if place == "kept":
        shelf.kept.write_text(json.dumps({"cell": {"map": 0.5}}), "utf-8")
    else:
        assert shelf.once("cell", lambda: {"map": 0.5}, only_known=False)["map"] == 0.5

    assert shelf.once("cell", lambda: pytest.fail("ran again"), only_known=False)["map"] == 0.5
    assert shelf.once("other", lambda: pytest.fail("ran"), only_known=True) is None


def test_the_second_backend_has_our_runs_at_the_middle_number_of_labels_alone():
    given = argparse.Namespace(backends=["torch", "jax"], seeds=[0], labels=None, arms=None)
    found = list(cells_of("set", {"control": (), "ours": ("fit",)}, (8, 16, 0), given))

    assert [cell for cell in found if cell.backend == "jax"] == [Cell("set", "ours", 16, 0, "jax")]
    assert len(found) == 7
    assert Cell("set", "new, ours + one", 0, 2, "jax").name == "set-new,-ours-and-one-all-2-jax"
