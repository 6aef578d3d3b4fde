"""Whole runs of each task, chosen from the data: what they store, and that it answers the same afterwards."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from headstart.run import Run
from headstart.runs.fitting import fit

pytestmark = pytest.mark.backend

SETTINGS = {"backbone": "small/net", "weights": "none", "epochs": 2, "reporters": ("json", "html")}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, pictures_of):
    """Pictures of 0, 1 and 2, and a table of each form of target beside them."""
    folder = pictures_of(tmp_path_factory.mktemp("pictures"))
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    random = np.random.default_rng(0)
    labels = {"0": ["even", "round"], "1": [], "2": ["even"]}
    for name, column, target in (
        ("labels", "labels", lambda key: "|".join(labels[key[0]])),
        ("numbers", "label", lambda key: f"{100 + 5 * int(key[0]) + random.normal():.3f}"),
    ):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("path", column), *((key, target(key)) for key in found)])
    return folder


@pytest.fixture(scope="module")
def several(pictures, tmp_path_factory, small_registry):
    out = tmp_path_factory.mktemp("several") / "run"
    return fit(pictures / "labels.csv", out=str(out), registry=small_registry, **SETTINGS)


@pytest.fixture(scope="module")
def number(pictures, tmp_path_factory, small_registry):
    out = tmp_path_factory.mktemp("number") / "run"
    return fit(pictures / "numbers.csv", out=str(out), registry=small_registry, **SETTINGS)


def rows_of(run):
    return list(csv.DictReader((run.path / "predictions.csv").open(encoding="utf-8")))


def test_the_task_is_that_of_the_targets_and_the_recipe_says_why(several, number):
    assert (several.result["task"], number.result["task"]) == ("multilabel", "regression")
    assert "several" not in several.result["warnings"]
    assert any("the task is regression" in warning for warning in number.result["warnings"])
    text = (number.path / "recipe.toml").read_text()
    assert 'task = "regression/regression" # the data: all 60 targets are numbers' in text
    assert Run.load(number.path, registry=number.registry).recipe.task == "regression/regression"


def test_labels_learn_better_than_one_answer_to_all_and_are_read_back(several):
    metrics, baseline = several.result["metrics"]["test"], several.result["baseline"]
    assert several.result["classes"] == ["even", "round"]
    assert metrics["macro_average_precision"] > baseline["prior_macro_average_precision"] + 0.1
    rows = [row for row in rows_of(several) if row["split"] == "test"]
    same = [set(row["prediction"].split("|")) == set(row["target"].split("|")) for row in rows]
    assert np.mean(same) == pytest.approx(metrics["subset_accuracy"])
    assert several.evaluate().document["metrics"]["test"] == metrics


def test_thresholds_and_temperature_are_in_the_artefact_and_in_the_result(several):
    stored = json.loads((several.path / "artefact" / "labels.json").read_text())
    told = several.result["calibration"]
    assert stored["temperature"] == told["temperature"]
    assert stored["thresholds"] == told["thresholds"]
    assert set(told["thresholds"]) == {"even", "round"}
    assert set(told["test"]) == set(told["val"]) == {"ece", "nll"}
    page = (several.path / "report" / "report.html").read_text()
    assert "Calibration" in page
    assert "threshold" in page


def test_numbers_are_predicted_in_their_own_unit(number, pictures):
    metrics, baseline = number.result["metrics"]["test"], number.result["baseline"]
    assert number.result["classes"] == []
    assert metrics["mae"] < baseline["mean_mae"]
    rows = [row for row in rows_of(number) if row["split"] == "test"]
    errors = [abs(float(row["prediction"]) - float(row["target"])) for row in rows]
    assert np.mean(errors) == pytest.approx(metrics["mae"], rel=1e-4)
    (answer,) = number.predict([pictures / rows[0]["key"]])
    assert answer["prediction"] == pytest.approx(float(rows[0]["prediction"]), abs=1e-3)
    assert number.result["calibration"] == {}


def test_other_data_is_scored_by_the_same_task(several, number, pictures):
    for run, name in ((several, "labels.csv"), (number, "numbers.csv")):
        document = run.evaluate(str(Path(pictures) / name)).document
        assert document["samples"] == {"test": 60}


def test_classes_are_evened_out_in_both_phases(finished, tmp_path, small_registry):
    """The same run with sampling: its probe has no ridge, and the counts of train are with the labels."""
    sets = ("task.balance=sampling", "task.label_smoothing=0.1", "task.dropout=0.2")
    out = tmp_path / "run"
    run = fit(f"image_folder:{finished.pictures}", out=str(out), registry=small_registry, sets=sets, **SETTINGS)
    stored = json.loads((run.path / "artefact" / "labels.json").read_text())
    assert run.result["primary_metric"] == "balanced_accuracy"
    assert sum(stored["counts"]) == run.result["samples"]["train"]
    assert run.result["phases"][0]["solver"] == "logistic"
    assert run.result["calibration"]["temperature"] == stored["temperature"] > 0
