"""A translation that was killed goes on to the same bits; learned on one backend, it answers the same on the other."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

COMMAND = "from headstart_cli.main import run; run()"
LIMIT = 500
"""Seconds after which a process is taken for one that hangs."""


def start(*arguments):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("KERAS")}
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    printed, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, said
    return printed


@pytest.fixture(scope="module")
def flags(small):
    return (
        *("--task", "translation", "--backbone", "seq2seq/small", "--strategy", "full", "--epochs", "3"),
        *("--learning-rate", "5e-3", "--reporter", "json", "--batch-size", "16", "--engine", "native"),
        *(part for each in (*small, "threads=1", "checkpoint_every=2") for part in ("--set", each)),
    )


@pytest.mark.backend
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, pairs, flags, backend):
    table, whole, killed = pairs(tmp_path / "pairs.csv", 120), tmp_path / "whole", tmp_path / "killed"
    finish(start("fit", table, *flags, "--backend", backend, "--out", whole))
    process = start("fit", table, *flags, "--backend", backend, "--out", killed)
    ends = time.monotonic() + LIMIT
    while time.monotonic() < ends and process.poll() is None:
        steps = [int(path.name.partition(".")[2]) for path in killed.glob("checkpoints/step.*") if path.is_dir()]
        if max(steps, default=0) >= 7:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    process.communicate()
    assert not (killed / "result.json").exists()
    finish(start("fit", "--resume", "--out", killed))
    for name in ("predictions.csv", "artefact/weights.safetensors", "artefact/assets/task/target.spm"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_run_that_goes_on_with_another_vocabulary_is_stopped(tmp_path, pairs, flags):
    table, out = pairs(tmp_path / "pairs.csv", 120), tmp_path / "run"
    finish(start("fit", table, *flags, "--backend", "torch", "--out", out))
    (out / "result.json").unlink()
    environment = json.loads((out / "environment.json").read_text("utf-8"))
    environment["assets"]["task"]["target.spm"] = "0" * 64
    (out / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    process = start("fit", "--resume", "--out", out)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 3
    assert "is not what it began with: task target.spm" in said


def test_answers_are_the_same_on_both_backends(tmp_path, pairs, flags):
    pytest.importorskip("jax")
    table, out = pairs(tmp_path / "pairs.csv", 200), tmp_path / "run"
    finish(start("fit", table, *flags, "--backend", "torch", "--out", out))
    texts = [part for text in ("Open the file now", "Save a table here 7") for part in ("--text", text)]
    beams = ("--set", "predict.beams=3", "--set", "predict.answers=2")
    ours, theirs = (
        json.loads(finish(start("predict", out, *texts, *beams, "--backend", backend, "--json")))
        for backend in ("torch", "jax")
    )
    for one, other in zip(ours, theirs, strict=True):
        assert [each["translation"] for each in one["answers"]] == [each["translation"] for each in other["answers"]]
        assert [each["score"] for each in one["answers"]] == pytest.approx(
            [each["score"] for each in other["answers"]], abs=1e-4
        )
