"""Segmentation goes all the way: trained, reloaded, evaluated, predicted, drawn, written down, reported."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart.run import Run
from headstart.runs.fitting import fit

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SETS = ("backbone.width=0.3", "backbone.depth=0.1", "input.size=96", "dataset.count=40")


def fitted(out, registry, **more):
    settings = {
        "backbone": "efficientnet_lite/lite0",
        "weights": "none",
        "strategy": "scratch",
        "epochs": 12,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "engine": "native",
        "sets": SETS,
    }
    made = fit("figures/figures", out=str(out), registry=registry, **{**settings, **more})
    return Run.load(made.path, registry=registry)


@pytest.fixture(scope="module")
def run(tmp_path_factory, figures_registry):
    """A small network from random weights, on pictures of 96 pixels: enough to learn two colours."""
    folder = tmp_path_factory.mktemp("masks")
    return fitted(folder / "run", figures_registry, sets=(*SETS, "task.calibrate=true"), reporters=("json", "html"))


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    from headstart_figures import draw

    pixels, mask = draw(np.random.default_rng(3), 150)
    file = tmp_path_factory.mktemp("pictures") / "seven.png"
    Image.fromarray(pixels).save(file)
    return file, mask


def test_it_learns_and_its_artefact_scores_as_the_run_did(run):
    assert run.evaluate().document["metrics"]["test"] == run.result["metrics"]["test"]
    found, baseline = run.result["metrics"]["test"], run.result["baseline"]
    assert found["miou"] > 0.7, found
    assert found["miou"] > 2 * baseline["majority_miou"], (found, baseline)
    assert found["pixel_accuracy"] > baseline["majority_pixel_accuracy"] + 0.05
    low, high = run.result["intervals"]["test"]["miou"]
    assert low <= found["miou"] <= high
    assert run.result["classes"] == ["ground", "disc", "square"]
    assert set(run.result["report"]["test"]["per_class"]) == {"ground", "disc", "square"}


def test_truth_is_that_of_the_pictures_as_they_came(run):
    """Pixels that are scored are those of the pictures, not of the input; and those of predictions.csv and its files
    too."""
    truths = {key: mask for key, (_, mask) in drawn().items()}
    with (run.path / "split.csv").open(encoding="utf-8") as file:
        test = [row["key"] for row in csv.DictReader(file) if row["split"] == "test"]
    counted = np.array(run.result["report"]["test"]["confusion_matrix"])
    by_hand = np.zeros((3, 3), np.int64)
    with (run.path / "predictions.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    for key in test:
        found = np.asarray(Image.open(run.path / "predictions" / f"{key}.png"))
        assert found.shape == truths[key].shape
        said = truths[key] != 255
        np.add.at(by_hand, (truths[key][said], found[said]), 1)
        for row in (row for row in rows if row["key"] == key):
            assert int(row["pixels"]) == (found == ["ground", "disc", "square"].index(row["class"])).sum()
            assert 1 / 3 <= float(row["probability"]) <= 1
    assert np.array_equal(counted, by_hand)


def drawn():
    from headstart_figures import draw

    random = np.random.default_rng(0)
    return {f"f{number:03d}": draw(random, 96) for number in range(40)}


def test_predict_writes_masks_in_the_data_s_own_colours_and_overlays(run, picture, tmp_path):
    from headstart_figures import COLOURS

    file, mask = picture
    (named,) = run.predict([str(file)], out=tmp_path)
    assert (named["mask"], named["sure"]) == ("seven.png", "seven.sure.png")
    (answer,) = run.predict([str(file)])
    assert named["classes"] == answer["classes"]
    names = {each.name for each in tmp_path.iterdir() if not each.name.startswith(".headstart")}
    assert names == {"seven.png", "seven.sure.png", "seven.overlay.png"}
    written = Image.open(tmp_path / "seven.png")
    assert written.mode == "P"
    assert np.array_equal(np.asarray(written), answer["mask"])
    assert np.array(written.getpalette()).reshape(-1, 3)[:3].tolist() == [list(each) for each in COLOURS]
    assert answer["mask"].shape == mask.shape
    assert (answer["mask"] == mask)[2:].mean() > 0.85
    (plain,) = run.predict([str(file)], sets=["predict.tile=400"])
    assert np.array_equal(plain["mask"], answer["mask"])
    (tiled,) = run.predict([str(file)], sets=["predict.tile=96", "predict.overlap=0.25"])
    assert (tiled["mask"] == mask)[2:].mean() > 0.7


def test_lines_of_a_job_name_the_files_that_hold_masks(run, picture, tmp_path):
    given = list(run.answers([str(picture[0])], out=tmp_path, jsonl=True))
    (line,) = map(json.loads, (tmp_path / "answers.jsonl").read_text().splitlines())
    assert [line] == given
    assert line["mask"] == "seven.png"
    assert (tmp_path / line["mask"]).is_file()


def test_tiles_are_scored_by_the_whole_picture(run):
    tiled = run.evaluate(sets=["predict.tile=400"]).document
    whole = run.evaluate().document
    for name in ("metrics", "intervals"):
        told = {key: value for key, value in whole[name]["test"].items() if key != "loss"}
        assert tiled[name]["test"] == told
    matrices = [each["report"]["test"]["confusion_matrix"] for each in (tiled, whole)]
    assert matrices[0] == matrices[1]
    strict = run.evaluate(sets=["task.tolerance=0"]).document["metrics"]["test"]["boundary_f"]
    assert strict < whole["metrics"]["test"]["boundary_f"]


def test_a_run_is_not_above_itself(run):
    found = run.beside(run).document["differences"]
    assert set(found) == {"miou", "pixel_accuracy", "mean_recall", "boundary_f"}
    assert all(each["interval"] == [0, 0] for each in found.values())


def test_probabilities_are_calibrated_on_val(run):
    found = run.result["calibration"]
    assert found["temperature"] > 0
    assert found["val"]["nll"]["after"] <= found["val"]["nll"]["before"] + 1e-3
    assert set(found["test"]) == {"ece", "nll"}


def test_the_report_shows_the_worst_pictures_and_what_is_confused(run):
    page = (run.path / "report" / "report.html").read_text("utf-8")
    assert "Confusion matrix on test" in page
    assert '<section class="marked">' in page
    assert "The pictures that are answered worst" in page
    assert "boundary F" in page
    document = json.loads((run.path / "report" / "report.json").read_text("utf-8"))
    assert document["result"]["report"]["test"]["worst_masks"]


@pytest.mark.slow
def test_the_other_backend_scores_it_the_same(run, tmp_path, backend):
    """In a process of its own: logits agree, so masks do but for ties, and so do metrics."""
    other = {"torch": "jax", "jax": "torch"}[backend]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KERAS")}
    variables = {**kept, "PYTHONPATH": str(Path(__file__).parent / "figures")}
    command = [sys.executable, "-c", "from headstart_cli.main import run; run()", "evaluate", str(run.path)]
    done = subprocess.run(
        [*command, "--backend", other, "--json"],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, expected = json.loads(done.stdout)["metrics"]["test"], run.result["metrics"]["test"]
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=2e-3), name


@pytest.mark.slow
def test_a_head_goes_on_from_another_run(run, tmp_path, figures_registry):
    again = fitted(
        tmp_path / "again",
        figures_registry,
        head_from=str(run.path),
        backbone=None,
        weights=None,
        strategy="full",
        epochs=1,
        learning_rate=1e-4,
        augment=("classic", "mosaic"),
        sets=("dataset.count=40", "input.size=96"),
    )
    assert again.result["metrics"]["test"]["miou"] > 0.6
    assert any("keeps 3 (ground, disc, square)" in note for note in again.result["notes"])
