"""`headstart compare` as a user meets it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from headstart.transfer.comparison.cells import Arm, Design, Measured
from headstart.transfer.comparison.comparing import conclude
from headstart.transfer.comparison.planning import Asked
from headstart_cli.main import run_arguments

SMALL = (
    *(
        "digits",
        "--backbone",
        "small/net",
        "--weights",
        "none",
        "--strategy",
        "full",
        "--limit",
        "150",
        "--epochs",
        "2",
    ),
    *("--fractions", "50%,1", "--seeds", "2", "--backend", "torch", "--engine", "native"),
)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("digits", "--seeds", "two"), "--seeds two: expected how many, or which"),
        (("digits", "--seeds", "0"), "--seeds 0: expected how many"),
        (("digits", "--fractions", "a,b"), "--fractions a,b: expected shares"),
        (("digits", "--fractions", "120%"), "no share of train"),
        (("digits", "--strategy", "nosuch"), "nosuch"),
        (("--resume",), "--resume goes on with the comparison in a folder"),
        (("--resume", "--out", "nothing"), "there is no comparison in nothing to go on with"),
        (("digits", "--strategy", "scratch"), "--strategy scratch is the control: there is nothing to compare it with"),
        ((), "there is no data to compare on"),
    ],
)
def test_what_is_wrong_with_the_flags_is_told_before_anything_runs(arguments, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_arguments(["compare", *arguments]) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert [*tmp_path.iterdir()] == []


def test_a_share_too_small_for_the_classes_is_told_with_the_least_that_is_not(capsys, tmp_path):
    data = ("digits", "--limit", "200", "--backbone", "efficientnet_lite/lite0", "--image-size", "16")
    out = tmp_path / "out"
    assert run_arguments(["compare", *data, "--fractions", "0.01,1", "--backend", "torch", "--out", str(out)]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "1 % of train is 1 sample of 128, too few to have one of each of 10 classes" in said
    assert "--fractions 0.0743 is the least" in said
    assert not out.exists()


def test_a_finished_comparison_says_the_baseline_and_which_classes_gained(capsys, tmp_path):
    arms = tuple(Arm(name, "net", "net", name, flags={}, control=name == "scratch") for name in ("scratch", "full"))
    samples = {"train 100 %": 64, "val": 16, "test": 20}
    asked = Asked(data="made").document()
    design = Design("made", "classification", "torch", arms, (0, 1, 2), (1.0,), samples, threads=1, settings=asked)
    for cell in design.cells():
        gained = cell.arm == "full"
        measured = Measured(
            **dataclasses.asdict(cell),
            test=0.5 + 0.2 * gained + 0.1 * cell.seed * gained,
            metric="accuracy",
            baseline={"majority_accuracy": 0.125},
            classes={name: 0.3 + 0.1 * gained * (place - 1) * cell.seed for place, name in enumerate("abcde")},
            class_figure="f1",
        )
        place = tmp_path / "cells" / cell.name
        place.mkdir(parents=True)
        (place / "cell.json").write_text(json.dumps(measured.document()))
    conclude(design, tmp_path)
    assert run_arguments(["compare", "--resume", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "baseline majority accuracy, without a model: 0.1250" in said
    assert (
        "full: no class surely gained or lost in f1; most e +0.300, d +0.200, c +0.100; least a -0.100, b +0.000"
        in said
    )


def alive(marker):
    """Processes that carry cells out for a comparison, by a variable of theirs."""
    found = []
    for folder in os.listdir("/proc"):
        if not folder.isdecimal():
            continue
        try:
            with open(f"/proc/{folder}/environ", "rb") as file, open(f"/proc/{folder}/cmdline", "rb") as line:
                if marker.encode() in file.read() and b"comparison.worker" in line.read():
                    found.append(int(folder))
        except OSError:
            continue
    return found


def wait_for(true, seconds=600):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks processes up in /proc")
def test_a_stopped_and_a_killed_comparison_go_on_with_what_is_missing(small_plugin, tmp_path):
    out, marker = tmp_path / "worth", f"{tmp_path}/marker"
    command = [sys.executable, "-P", "-c", "from headstart_cli.main import run; run()", "compare"]
    environment = {**os.environ, "PYTHONPATH": str(small_plugin), "HEADSTART_MARKER": marker}
    start = {"env": environment, "cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def kept():
        return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("cells/*/cell.json")}

    first = subprocess.Popen([*command, *SMALL, "--jobs", "2", "--out", str(out)], **start)
    wait_for(lambda: len(kept()) >= 2)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 130, said
    assert f"go on with `headstart compare --resume --out {out}`" in " ".join(said.split())
    assert alive(marker) == []
    after_the_first = kept()
    assert json.loads((out / "comparison.json").read_text("utf-8"))["finished"] is False

    second = subprocess.Popen([*command, "--resume", "--out", str(out), "--jobs", "1"], **start)
    wait_for(lambda: len(kept()) > len(after_the_first))
    second.kill()
    second.communicate()
    wait_for(lambda: alive(marker) == [], 60)  # nobody waits for them
    after_the_second = kept()

    other = subprocess.run([*command, "--resume", "--out", str(out), *SMALL, "--epochs", "3"], **start, check=False)
    assert other.returncode == 2
    assert "epochs is 3 now, and 2 in" in " ".join(other.stderr.split())

    third = subprocess.run([*command, *SMALL, "--resume", "--out", str(out), "--json"], **start, check=False)
    assert third.returncode == 0, third.stderr
    document = json.loads(third.stdout)
    assert document["finished"] is True
    assert len(document["cells"]) == 8 + 2 * len(document["twins"])
    assert all(kept()[name] == when for name, when in {**after_the_first, **after_the_second}.items())
    assert (out / "report" / "report.html").read_text("utf-8").count("data:image/png") == 2
    assert (out / "cells" / "full-100-0" / "artefact").is_dir()
    assert not (out / "cells" / "full-50-0" / "artefact").exists()

    again = subprocess.run([*command, "--resume", "--out", str(out)], **start, check=False)
    assert again.returncode == 0
    assert document["verdict"]["line"] in " ".join(again.stdout.split())

    whole = subprocess.run([*command, *SMALL, "--out", str(tmp_path / "whole"), "--json"], **start, check=False)
    assert whole.returncode == 0, whole.stderr
    assert figures(document) == figures(json.loads(whole.stdout))


def figures(document):
    """All that a comparison found, but for how long it took."""
    told = ("claims", "verdict", "classes", "similarity", "labels", "samples", "twins", "threads")
    curves = [{name: value for name, value in row.items() if name != "seconds"} for row in document["curves"]]
    cells = [{name: each[name] for name in ("run", "val", "test", "bounds", "trainable")} for each in document["cells"]]
    return {**{name: document[name] for name in told}, "curves": curves, "cells": cells}
