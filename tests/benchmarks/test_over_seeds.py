"""A finished cell is not run again, and figures are means with their intervals."""

import argparse
import json
import sys
from pathlib import Path

import pytest

from headstart.specs import Record

sys.path.insert(0, str(Path(__file__).parent))
from over_seeds import ALL, Cell, Shelf, cells_of, figure, labelled


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


def test_of_labelled_records_a_fifth_is_val_by_the_seed_and_test_stays():
    records = [
        Record(f"{side}-{number}", None, split=side)
        for side, count in (("train", 40), ("val", 10), ("test", 7))
        for number in range(count)
    ]

    def keys(labels, seed):
        sides = labelled(records, Cell("study", "arm", labels, seed, "torch"))
        return {side: [record.key for record in found] for side, found in sides.items()}

    one, again, other, whole = keys(20, 0), keys(20, 0), keys(20, 1), keys(ALL, 0)
    assert [len(one[side]) for side in ("train", "val", "test")] == [16, 4, 7]
    assert one == again
    assert one["train"] != other["train"]
    assert all(set(one[side]) <= set(whole[side]) for side in whole)
    assert whole == {side: [record.key for record in records if record.split == side] for side in whole}
