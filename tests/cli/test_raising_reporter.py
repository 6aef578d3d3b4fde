"""A third party's reporter that raises in the middle of a real fit is switched off, named, and costs nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from headstart.events import EpochDone, Warned, from_line
from headstart.testing import write_distribution

pytestmark = pytest.mark.slow

SMALL_PLUGIN = Path(__file__).parents[1] / "small_plugin"
RAISES = """
from headstart.events import EpochDone, Event
from headstart.hookspecs import hookimpl
from headstart.specs import ReporterSpec


@hookimpl
def register_reporters():
    return [ReporterSpec(name="raises/loudly", summary="Raises.", build="raises:build", writes=("report/heard.txt",))]


def build(request):
    return Raises()


class Raises:
    def on_event(self, event: Event, run) -> None:
        (run.path / "report").mkdir(exist_ok=True)
        with (run.path / "report" / "heard.txt").open("a") as file:
            file.write(type(event).__name__ + "\\n")
        if isinstance(event, EpochDone):
            ERROR

    def close(self) -> None:
        raise OSError("closed, though it was switched off")
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [("raise ZeroDivisionError('no such server')", "ZeroDivisionError: no such server"), ("exit(3)", "SystemExit: 3")],
    ids=["error", "exit"],
)
def test_a_fit_goes_on_without_it(headstart, tmp_path, error, said):
    write_distribution(tmp_path / "plugin", "raises", RAISES.replace("ERROR", error))
    folder = tmp_path / "run"
    done = headstart(
        *("fit", "digits", "--limit", "100", "--backbone", "small/net", "--weights", "none", "--epochs", "2"),
        *("--reporter", "loudly", "--reporter", "json", "--reporter", "console", "--out", folder, "--json"),
        KERAS_BACKEND="torch",
        PYTHONPATH=os.pathsep.join([str(tmp_path / "plugin"), str(SMALL_PLUGIN)]),
    )
    assert done.returncode == 0, done.stderr

    message = f"reporter 'loudly' was switched off at EpochDone: {said}"
    assert done.stderr.count(f"warning: {message}") == 1
    assert json.loads(done.stdout)["warnings"].count(message) == 1

    heard = (folder / "report" / "heard.txt").read_text(encoding="utf-8").split()
    assert heard.count("EpochDone") == 1
    assert heard[-1] == "EpochDone"

    events = [from_line(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len([event for event in events if isinstance(event, EpochDone)]) > 2
    assert [event.message for event in events if isinstance(event, Warned)].count(message) == 1
    assert json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))["result"]
    assert (folder / "artefact" / "manifest.json").is_file()
