"""Trained on one backend, answered on the other; and a run from the command line, interrupted or not.

Each process has one backend, so that everything here runs in processes of its own.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

PLUGIN = Path(__file__).parents[1] / "small_plugin"
COMMAND = [sys.executable, "-c", "from headstart_cli.main import run; run()"]
SMALL = ("--backbone", "small/net", "--weights", "none", "--limit", "80", "--reporter", "json")

TRAINED = ("--strategy", "full", "--batch-size", "8", "--epochs", "10", "--learning-rate", "5e-3")
"""Long enough that an epoch is better than the start, which would be kept otherwise."""

FLATTENED = ("--backbone", "lite0", "--image-size", "64", "--set", "backbone.width=0.2", "--set", "backbone.depth=0.1")
FLATTENED += ("--head", "flatten:64", "--strategy", "probe", "--epochs", "60")
"""A head on the top map, 2 x 2, of a narrow network; the last of equal flags is taken."""


def environment():
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KERAS", "HEADSTART"))}
    return {**kept, "PYTHONPATH": str(PLUGIN), "OMP_NUM_THREADS": "1"}


def told(*arguments, cwd, code=0):
    """What a command says: its output, or its errors where it should fail."""
    done = subprocess.run(
        [*COMMAND, *arguments], env=environment(), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def headstart(*arguments, cwd):
    return json.loads(told(*arguments, cwd=cwd))


def probabilities(path):
    """{key: (prediction, probabilities)} of the test split."""
    rows = csv.DictReader(path.open(encoding="utf-8"))
    return {
        row["key"]: (
            row["prediction"],
            [float(value) for name, value in row.items() if name.startswith("p:")],
        )
        for row in rows
        if row["split"] == "test"
    }


@pytest.mark.parametrize(
    ("trained", "answered", "flags"),
    [
        ("torch", "jax", ()),
        pytest.param("jax", "torch", (), marks=pytest.mark.slow),
        pytest.param("torch", "jax", FLATTENED, marks=pytest.mark.slow),
        pytest.param("jax", "torch", FLATTENED, marks=pytest.mark.slow),
    ],
)
def test_a_model_trained_on_one_backend_answers_the_same_on_the_other(tmp_path, trained, answered, flags):
    chosen = (*SMALL, *TRAINED, *flags, "--backend", trained, "--out", "run", "--json")
    fitted = headstart("fit", "digits", *chosen, cwd=tmp_path)
    again = headstart("evaluate", "run", "--backend", answered, "--predictions", "again.csv", "--json", cwd=tmp_path)

    assert fitted["phases"][-1]["best_epoch"] > 0
    assert (fitted["backend"], again["backend"]) == (trained, answered)
    assert again["metrics"]["test"]["accuracy"] == fitted["metrics"]["test"]["accuracy"]
    ours, theirs = probabilities(tmp_path / "run" / "predictions.csv"), probabilities(tmp_path / "again.csv")
    assert ours.keys() == theirs.keys()
    assert len(ours) == 16
    for key, (prediction, values) in ours.items():
        assert theirs[key][0] == prediction
        assert theirs[key][1] == pytest.approx(values, abs=1e-4)
    spread = [value for _, values in ours.values() for value in values]
    assert max(spread) - min(spread) > 0.05  # 500 times what they may differ by

    beside = told("evaluate", "run", "--against", "run", cwd=tmp_path)
    (row,) = (line.split() for line in beside.splitlines() if "balanced_accuracy" in line)
    assert row[1] == row[2]
    assert row[3:] == ["+0", "+0", "to", "+0", "1.000"]
    refused = told("evaluate", "run", "--against", "run", "--predictions", "both.csv", cwd=tmp_path, code=2)
    assert "leave out --against" in refused


@pytest.mark.slow
@pytest.mark.parametrize(("trained", "used"), [("torch", "jax"), ("jax", "torch")])
def test_a_run_of_one_backend_is_a_source_on_the_other(tmp_path, trained, used):
    first = headstart(
        "fit", "digits", *SMALL, *TRAINED, "--backend", trained, "--out", "runs/x", "--json", cwd=tmp_path
    )
    chosen = (
        "--backbone",
        "runs/x",
        "--strategy",
        "probe",
        "--limit",
        "120",
        "--split-seed",
        "2",
        "--reporter",
        "json",
    )
    second = headstart("fit", "digits", *chosen, "--backend", used, "--out", "runs/y", "--json", cwd=tmp_path)

    assert first["phases"][-1]["best_epoch"] > 0
    ours, theirs = (load_file(tmp_path / "runs" / name / "artefact" / "weights.safetensors") for name in "xy")
    frozen = [name for name in ours if not name.startswith("head/")]
    assert len(frozen) == 15
    assert all(np.array_equal(ours[name], theirs[name]) for name in frozen)
    assert [each.get("run") for each in second["lineage"]] == [None, "x", "y"]
    assert [each.get("stages") for each in second["lineage"]] == [None, ["low", "middle", "top", "head"], ["head"]]
    assert any("samples are among those that the run" in warning for warning in second["warnings"])


@pytest.mark.slow
@pytest.mark.parametrize("name", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_exits_with_130_and_keeps_its_events_and_checkpoints(tmp_path, name):
    command = [*COMMAND, "fit", "digits", *SMALL, "--backend", "torch", "--epochs", "500", "--out", "run"]
    process = subprocess.Popen(command, env=environment(), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    run = tmp_path / "run"
    deadline = time.monotonic() + 120
    while not ((run / "events.jsonl").exists() and saved(run) >= 3):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(name)
    _, told = process.communicate(timeout=30)

    assert process.returncode == 130, told
    assert "Traceback" not in told
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    last = [line["path"] for line in lines if line["event"] == "CheckpointSaved"][-1]
    assert (run / "checkpoints" / last / "manifest.json").is_file()
    assert not (run / ".scratch").exists()
    assert not (run / "artefact").exists()


def saved(run):
    return (run / "events.jsonl").read_text().count('"CheckpointSaved"')


@pytest.mark.slow
@pytest.mark.parametrize(("trained", "went_on"), [("jax", "torch"), ("torch", "jax")])
def test_a_run_of_one_backend_goes_on_in_a_new_one_on_the_other(tmp_path, trained, went_on):
    """At a rate that moves nothing, its first answers are the last ones of the run that it goes on with."""
    first = headstart("fit", "digits", *SMALL, *TRAINED, "--backend", trained, "--out", "first", "--json", cwd=tmp_path)
    more = ("--continue", "first", "--backend", went_on, "--epochs", "1", "--learning-rate", "1e-12")
    second = headstart("fit", *more, "--out", "second", "--json", cwd=tmp_path)
    (phase,) = second["phases"]

    assert (first["backend"], second["backend"]) == (trained, went_on)
    assert second["split_hash"] == first["split_hash"]
    assert (phase["best_epoch"], phase["best"]["accuracy"]) == (0, first["metrics"]["val"]["accuracy"])
    assert phase["best"]["loss"] == pytest.approx(first["metrics"]["val"]["loss"], rel=1e-3)
