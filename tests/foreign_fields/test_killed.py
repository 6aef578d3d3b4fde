"""A run of a third party's field that is killed in the middle of an epoch ends with the bits of one that was not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headstart.eventlog import read_events
from headstart.events import EpochDone

pytestmark = [pytest.mark.backend, pytest.mark.slow]

HERE = Path(__file__).parent
COMMAND = "from headstart_cli.main import run; run()"
FLAGS = ("--weights", "none", "--epochs", "3", "--learning-rate", "1e-2", "--batch-size", "16", "--engine", "native",
         "--reporter", "json", "--set", "threads=1", "--set", "checkpoint_every=2")  # fmt: skip
LIMIT = 240
"""Seconds after which a process is taken for one that hangs."""


def start(out, *arguments):
    variables = {**os.environ, "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-c", COMMAND, "fit", *arguments, "--out", str(out)]
    return subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, said


def kill_in_an_epoch(process, out, after):
    """SIGKILL once a checkpoint lies there that was saved after so many steps."""
    ends = time.monotonic() + LIMIT
    while time.monotonic() < ends and process.poll() is None:
        steps = [int(path.name.partition(".")[2]) for path in out.glob("checkpoints/step.*") if path.is_dir()]
        if max(steps, default=0) >= after:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return
        time.sleep(0.002)
    raise AssertionError(process.communicate()[1] or "it ended before it was killed")


def history(run):
    events = [event for event in read_events(run / "events.jsonl") if isinstance(event, EpochDone)]
    return [(event.phase, event.epoch, event.train, event.val, event.best) for event in events]


@pytest.mark.parametrize("name", ["marks", "scenes", "regions", "phrases", "waves"])
def test_a_killed_run_goes_on_to_the_same_bits(name, tmp_path, fields, backend):
    data, augment = (
        fields[name]["data"],
        [part for each in fields[name].get("augment", ()) for part in ("--augment", each)],
    )
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(whole, data, *FLAGS, *augment, "--backend", backend))
    process = start(killed, data, *FLAGS, *augment, "--backend", backend)
    kill_in_an_epoch(process, killed, after=7)
    assert not (killed / "result.json").exists()
    finish(start(killed, "--resume"))
    assert (killed / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()
    weights = "artefact/weights.safetensors"
    assert (killed / weights).read_bytes() == (whole / weights).read_bytes()
    assert history(killed) == history(whole)
