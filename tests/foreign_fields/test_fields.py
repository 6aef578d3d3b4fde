"""Five fields of a third party go all the way: trained, cut, cached, reloaded, evaluated, predicted, written down."""

import csv
import json

import numpy as np
import pytest

from headstart.artefact import Artefact
from headstart.eventlog import read_events
from headstart.events import EpochDone, PhaseStarted
from headstart.run import Run
from headstart.runs.fitting import fit
from headstart_cli.main import run_arguments

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

SETTINGS = {"weights": "none", "reporters": ("json",), "engine": "native", "batch_size": 16}
RATE = {"learning_rate": 1e-2}
OTHERS = ("marks", "scenes", "phrases")
NAMES = ("regions", "waves", *OTHERS)


@pytest.fixture(scope="module")
def fitted(fields, foreign_registry):
    def run(name, out, **more):
        settings = {**SETTINGS, **RATE, **fields[name], **more}
        return fit(settings.pop("data"), out=str(out), registry=foreign_registry, **settings)

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory, fitted):
    """Runs by field, each made when it is first asked for."""
    made = {}

    def run(name):
        if name not in made:
            made[name] = fitted(name, tmp_path_factory.mktemp(name) / "run")
        return made[name]

    return run


def rows_of(run, split="test"):
    with (run.path / "predictions.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


def epochs_of(run):
    return [event for event in read_events(run.path / "events.jsonl") if isinstance(event, EpochDone)]


@pytest.mark.parametrize("name", ["regions", "waves", *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)])
def test_a_field_learns_and_its_artefact_scores_as_the_run_did(name, runs, foreign_registry):
    run = runs(name)
    losses = [event.train["loss"] for event in epochs_of(run) if event.rates]
    assert losses[-1] < losses[0]
    primary = run.result["primary_metric"]
    assert primary in run.result["metrics"]["test"]
    again = Run.load(run.path, registry=foreign_registry).evaluate()
    assert again.document["metrics"]["test"] == run.result["metrics"]["test"]


def test_marks_are_told_apart_with_masks_whatever_stands_beside_them(runs, foreign_registry):
    """The answer to a sequence does not depend on how long the others in its batch are."""
    run = runs("marks")
    assert run.result["metrics"]["test"]["accuracy"] > run.result["baseline"]["majority_accuracy"]
    artefact = Artefact.load(run.path / "artefact", registry=foreign_registry)
    short, long = np.array([3, 1, 1, 4]), np.tile([5, 2, 7, 2], 30)
    alone = artefact.predict(short, top_k=2)
    beside, _ = artefact.predict([short, long], top_k=2)
    for one, other in zip(alone["top_k"], beside["top_k"], strict=True):
        assert one["label"] == other["label"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)


def test_boxes_are_written_one_a_row_and_pictures_without_any_have_none(runs):
    run = runs("scenes")
    answers = {}
    for row in rows_of(run):
        answers.setdefault(row["key"], []).append(row)
    assert set(next(iter(answers.values()))[0]) >= {"kind", "score", "left", "right", "target"}
    assert max(map(len, answers.values())) > 1
    assert len(answers) < run.result["samples"]["test"]
    assert run.result["metrics"]["test"]["ap"] > 0.2
    assert run.result["report"]["test"]["truths"] > 0


def test_boxes_come_back_in_pixels_of_the_original(runs, foreign_registry):
    from headstart_foreign._data import draw_scene

    picture, _ = draw_scene(np.random.default_rng(7), 2)
    large = picture.repeat(3, 0).repeat(3, 1)
    artefact = Artefact.load(runs("scenes").path / "artefact", registry=foreign_registry)
    small_boxes, large_boxes = (artefact.predict(each)["boxes"] for each in (picture, large))
    assert small_boxes
    for small, big in zip(small_boxes, large_boxes, strict=True):
        assert np.array(big["box"]) == pytest.approx(3 * np.array(small["box"]), rel=1e-4)


def test_masks_are_files_of_the_original_size(runs, region_files):
    run = runs("regions")
    metrics = run.result["metrics"]["test"]
    assert metrics["pixel_accuracy"] > run.result["baseline"]["majority_pixel_accuracy"]
    for row in rows_of(run):
        written = (run.path / "predictions" / f"{row['key']}.pgm").read_bytes()
        height, width = np.load(region_files / f"{row['key']}.npy").shape
        header, values = written[: -height * width], written[-height * width :]
        assert header == f"P5 {width} {height} 255\n".encode()
        assert max(values) <= 2


def test_predict_prints_masks_and_writes_their_files(runs, region_files, tmp_path, capsys):
    picture = region_files / "r000.npy"
    height, width = np.load(picture).shape
    command = ["predict", str(runs("regions").path), str(picture)]
    assert run_arguments([*command, "--json", "--out", str(tmp_path)]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    mask = np.array(answer["mask"], np.uint8)
    assert mask.shape == (height, width)
    written = tmp_path / "r000.pgm"
    assert written.read_bytes().endswith(mask.tobytes())
    assert run_arguments(command) == 0
    assert f"{height} x {width}" in capsys.readouterr().out


def test_a_phrase_is_generated_and_scored_as_generated(runs):
    run = runs("phrases")
    last = epochs_of(run)[-1]
    assert "token_accuracy" in last.val
    assert "exact_match" not in last.val  # in training the head is fed, at the end it generates
    exact = np.mean([row["text"] == row["target"] for row in rows_of(run)])
    assert run.result["metrics"]["test"]["exact_match"] == pytest.approx(exact)


def test_a_recording_of_several_windows_has_one_answer(runs, foreign_registry):
    run = runs("waves")
    assert len(rows_of(run)) == run.result["samples"]["test"]
    assert run.result["metrics"]["test"]["accuracy"] > 0.8
    artefact = Artefact.load(run.path / "artefact", registry=foreign_registry)
    wave = np.sin(np.arange(300) * 2 * np.pi / 7).astype(np.float32)
    assert artefact.predict(wave)["prediction"] == "fast"


@pytest.mark.parametrize("name", ["marks", "waves"])
def test_a_head_is_solved_for_where_the_task_can(name, tmp_path, fitted):
    run = fitted(name, tmp_path / "run", strategy="probe", epochs=None, learning_rate=None)
    assert run.result["phases"][0]["solver"]
    found, count = run.result["phases"][0]["best"]["accuracy"], run.result["samples"]["val"]
    assert found * count == pytest.approx(round(found * count))  # records count once, however many rows they have
    assert run.result["metrics"]["val"]["accuracy"] == pytest.approx(found)
    assert run.result["metrics"]["test"]["accuracy"] > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_field_is_cut_in_the_middle_and_its_features_are_found_again(name, tmp_path, fitted):
    settings = {"strategy": "last_k", "augment": ("none",)}  # the head of phrases takes nothing of its last stage
    first = fitted(name, tmp_path / "first", **settings)
    second = fitted(name, tmp_path / "second", **settings)
    cut = [event for event in read_events(first.path / "events.jsonl") if isinstance(event, PhaseStarted)][-1]
    assert cut.cached
    assert cut.cut != "head"
    assert first.result["metrics"] == second.result["metrics"]
    assert json.loads((second.path / "result.json").read_text())["seconds"]["features"] < 2.0
