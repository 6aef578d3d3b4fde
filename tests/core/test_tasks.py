"""Whole runs of each task, chosen from the data: what they store, and that it answers the same afterwards."""

import csv
import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from headstart.run import Run
from headstart.runs.fitting import fit

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

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
    assert not any("the task is" in warning for warning in several.result["warnings"])  # nothing else was likely
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
    row = told["thresholds"]["round"]
    cells = (row["threshold"], row["precision"], row["recall"], row["f1"], row["f1_at_half"])
    assert "Thresholds on val" in page
    assert all(f'<td class="n">{value:.4f}</td>' in page for value in cells if value is not None)
    assert "All of it is for" not in page  # no classes were evened out


def test_after_a_refit_val_is_decided_at_the_thresholds_of_test(pictures, tmp_path, small_registry, monkeypatch):
    """The head that is kept has seen val: what val says is of the one before, whose answers are looked at here."""
    from headstart_plugins.multilabel._build import MultilabelCalibrator

    answers, real = [], MultilabelCalibrator.update

    def listened(self, targets, outputs):
        answers.append(np.array(outputs["logits"], np.float64))
        real(self, targets, outputs)

    monkeypatch.setattr(MultilabelCalibrator, "update", listened)
    with (pictures / "labels.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    draw = np.random.default_rng(0)
    with (tmp_path / "rare.csv").open("w", newline="") as file:
        # Eight labels that say nothing of the picture: some threshold is beside one half whatever the last bits are.
        rare = [[f"rare{label}" for label in range(8) if draw.random() < 0.25] for _ in rows[1:]]
        named = [[str(pictures / path), "|".join(filter(None, (labels, *more)))] for (path, labels), more in
                 zip(rows[1:], rare, strict=True)]  # fmt: skip
        csv.writer(file).writerows([rows[0], *named])
    settings = {**SETTINGS, "strategy": "probe", "epochs": None, "reporters": ("json",)}
    run = fit(tmp_path / "rare.csv", out=str(tmp_path / "run"), registry=small_registry, **settings)

    assert run.result["refit"]
    (last,) = run.result["phases"]
    split = [row for row in csv.DictReader((run.path / "split.csv").open()) if row["split"] == "val"]
    labels = {path: set(filter(None, text.split("|"))) for path, text in named}
    classes = run.result["classes"]
    truth = np.array([[name in labels[row["key"]] for name in classes] for row in split], np.float32)
    limits = np.array([run.result["calibration"]["thresholds"][name]["threshold"] for name in classes])
    sure = special.expit(np.concatenate(answers) / run.result["calibration"]["temperature"])
    expected = np.mean(((sure >= limits) == truth).all(axis=1))
    val = run.result["metrics"]["val"]
    assert val["subset_accuracy"] == pytest.approx(expected)
    given, halves = sure >= limits, sure >= 0.5
    assert (given != halves).any()  # else no threshold decides anything here
    expected, at_half = (metrics.f1_score(truth, each, average="macro", zero_division=0) for each in (given, halves))
    assert val["macro_f1"] == pytest.approx(expected)
    assert last["best"]["macro_f1"] == pytest.approx(at_half)
    assert expected >= at_half


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


def test_a_run_with_sampling_chooses_by_recall_and_keeps_its_counts(finished, tmp_path, small_registry):
    """Its probe has no ridge, and the counts of train are with the labels."""
    sets = ("task.balance=sampling", "task.label_smoothing=0.1", "task.dropout=0.2")
    out = tmp_path / "run"
    run = fit(f"image_folder:{finished.pictures}", out=str(out), registry=small_registry, sets=sets, **SETTINGS)
    stored = json.loads((run.path / "artefact" / "labels.json").read_text())
    assert run.result["primary_metric"] == "balanced_accuracy"
    assert sum(stored["counts"]) == run.result["samples"]["train"]
    assert run.result["phases"][0]["solver"] == "logistic"
    assert run.result["calibration"]["temperature"] == stored["temperature"] > 0
    assert "All of it is for classes that are equally frequent" in (run.path / "report" / "report.html").read_text()


@pytest.fixture(scope="module")
def skewed(tmp_path_factory, pictures_of):
    """Ten pictures of 3 to one of 8, and as many of both that no training sees."""
    folder = tmp_path_factory.mktemp("skewed")
    pictures_of(folder / "all", classes=("3", "8"), each=150)
    for label, count in (("3", 80), ("8", 8)):
        files = sorted((folder / "all" / label).iterdir())
        for name, chosen in (("train", files[:count]), ("other", files[100:])):
            (folder / name / label).mkdir(parents=True)
            for file in chosen:
                shutil.copy(file, folder / name / label)
    return folder


@pytest.fixture(scope="module")
def trained(skewed, small_registry):
    """The run of a network that was trained by gradient alone, by what evens its classes out."""

    @functools.cache
    def run(balance):
        settings = {**SETTINGS, "strategy": "full", "epochs": 3, "learning_rate": 3e-3, "reporters": ("json",)}
        sets, out = ("fit.batch_size=16", f"task.balance={balance}"), str(skewed / balance)
        return fit(f"image_folder:{skewed / 'train'}", out=out, registry=small_registry, sets=sets, **settings)

    return run


@pytest.mark.parametrize("balance", ["class_weights", "sampling", "logit_adjustment"])
def test_training_by_gradient_finds_more_of_a_rare_class_where_classes_are_evened_out(trained, skewed, balance):
    def recall(run):
        return run.evaluate(f"image_folder:{skewed / 'other'}").document["metrics"]["test"]["balanced_accuracy"]

    assert recall(trained(balance)) > recall(trained("none")) + 0.1


def told_by_hand(rows, weights):
    """ECE and NLL of the probabilities in predictions.csv, bin by bin, each row weighed."""
    sure, right = np.array([(float(row["confidence"]), row["prediction"] == row["target"]) for row in rows]).T
    gaps = [((sure - right) * weights)[np.ceil(sure * 15) == place].sum() for place in range(1, 16)]
    losses = [-np.log(float(row[f"p:{row['target']}"])) for row in rows]
    return {"ece": np.abs(gaps).sum() / weights.sum(), "nll": losses @ weights / weights.sum()}


@pytest.mark.parametrize("balance", ["none", "class_weights", "sampling", "logit_adjustment"])
def test_what_is_told_of_probabilities_is_of_classes_that_weigh_the_same_where_they_are_evened_out(trained, balance):
    run = trained(balance)
    for split in ("val", "test"):
        rows = [row for row in rows_of(run) if row["split"] == split]
        labels = [row["target"] for row in rows]
        even = np.array([1 / labels.count(label) for label in labels])
        assert even.max() > 5 * even.min()
        natural = np.ones(len(rows))
        used, other = (natural, even) if balance == "none" else (even, natural)
        told = {name: values["after"] for name, values in run.result["calibration"][split].items()}
        assert told == pytest.approx(told_by_hand(rows, used), rel=1e-4), split
        assert told["nll"] != pytest.approx(told_by_hand(rows, other)["nll"], rel=1e-2), split
    assert ("class_shares" in run.result["calibration"]) == (balance != "none")
