"""Runs whose val and test lack a class that training has: from the first step to the report."""

import csv
import json

import pytest

from headstart.errors import DataError

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, pictures_of):
    """Two classes of twenty pictures, and two of a few."""
    folder = pictures_of(tmp_path_factory.mktemp("rare"), classes=("0", "1"), each=20)
    return pictures_of(pictures_of(folder, classes=("2",), each=2), classes=("3",), each=1)


def fitted(pictures, out, registry, **settings):
    from headstart.runs.fitting import fit

    settings = {"strategy": "probe", "reporters": ("json", "html"), "sets": (), **settings}
    return fit(
        f"image_folder:{pictures}", out=str(out), registry=registry, backbone="small/net", weights="none", **settings
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "balance"), [("probe", "none"), ("lp_ft", "class_weights"), ("full", "logit_adjustment")]
)
def test_classes_in_train_alone_are_learned_and_no_metric_speaks_of_them(
    pictures, small_registry, tmp_path, strategy, balance
):
    sets = ("dataset.rare=train", f"task.balance={balance}")
    epochs = {} if strategy == "probe" else {"epochs": 2}
    run = fitted(pictures, tmp_path / "run", small_registry, strategy=strategy, sets=sets, **epochs)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["classes"] == ["0", "1", "2", "3"]
    with (tmp_path / "run" / "split.csv").open() as file:
        assert {row["target"] for row in csv.DictReader(file) if row["split"] != "train"} == {"0", "1"}
    (warning,) = (each for each in result["warnings"] if "too small" in each)
    assert warning.startswith("2 classes ('2'; '3') are too small to be on every side, and so not cut for val or test")
    scores = result["report"]["test"]["per_class"]
    assert [scores[name]["support"] for name in "0123"] == [4, 4, 0, 0]
    assert [scores[name]["recall"] for name in "23"] == [None, None]
    seen = [scores[name]["recall"] for name in "01"]
    assert result["metrics"]["test"]["balanced_accuracy"] == pytest.approx(sum(seen) / 2)
    evaluated = run.evaluate(split="all").document
    assert evaluated["report"]["train"]["per_class"]["2"]["support"] == 2
    assert run.report() == []
    page = (tmp_path / "run" / "report" / "report.html").read_text()
    assert "not cut for val or test" in page


@pytest.mark.slow
def test_a_run_leaves_out_what_it_was_told_to_and_goes_on_with_the_same(pictures, small_registry, tmp_path):
    with pytest.raises(DataError, match="2 things are wrong"):
        fitted(pictures, tmp_path / "refused", small_registry)
    run = fitted(pictures, tmp_path / "run", small_registry, sets=("dataset.rare=drop",))
    assert run.result["classes"] == ["0", "1"]
    assert run.result["samples"] == {"train": 26, "val": 6, "test": 8}
    assert run.data.resolved.options["dataset"].rare == "drop"
    assert run.evaluate(split="all").document["samples"] == run.result["samples"]
