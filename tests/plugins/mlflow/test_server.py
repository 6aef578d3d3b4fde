"""Real runs told to a real MLflow server, and asked for again without MLflow's client."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from headstart.eventlog import EventLog, read_events
from headstart.events import EpochDone, PhaseDone, RunFinished, RunStarted
from headstart.runs.reporting import SampleView
from headstart.specs import ReporterRequest
from headstart.testing import write_distribution
from headstart_plugins.mlflow import MlflowOptions
from headstart_plugins.mlflow._build import build

pytestmark = [pytest.mark.service, pytest.mark.slow]

SMALL_PLUGIN = Path(__file__).parents[2] / "small_plugin"
COMMAND = (sys.executable, "-c", "from headstart_cli.main import run; run()")
SMALL = ("--limit", "100", "--backbone", "small/net", "--weights", "none", "--backend", "torch")
EXPERIMENT = "finished"


def environment(uri=None, **more):
    """The variables of a user who has named the server, or not."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS", "MLFLOW", "HEADSTART"))}
    named = {"MLFLOW_TRACKING_URI": uri} if uri else {}
    return {"OMP_NUM_THREADS": "1", **kept, "PYTHONPATH": str(SMALL_PLUGIN), **named, **more}


def headstart(*arguments, **more):
    """The finished process."""
    words = [*COMMAND, *map(str, arguments)]
    return subprocess.run(words, env=environment(**more), capture_output=True, text=True, check=False)


def run_id_of(folder):
    return json.loads((folder / "report" / "mlflow.json").read_text(encoding="utf-8"))["run_id"]


def milliseconds(event):
    return round(event.time * 1000)


@dataclass(frozen=True)
class Fit:
    """A finished fit: its folder, what it printed, and its events."""

    folder: Path
    printed: str
    said: str

    @property
    def id(self):
        return run_id_of(self.folder)

    @property
    def events(self):
        return read_events(self.folder / "events.jsonl")

    @property
    def result(self):
        return json.loads((self.folder / "result.json").read_text(encoding="utf-8"))

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def copied(self, folder):
        """The same in a folder that may be changed."""
        shutil.copytree(self.folder, folder)
        return folder


@pytest.fixture(scope="module")
def fit(server, tmp_path_factory):
    """Two phases; mlflow is told first, so that the files of the others come after its turn."""
    folder = tmp_path_factory.mktemp("fit") / "run"
    done = headstart(
        *("fit", "digits", *SMALL, "--epochs", 3, "--out", folder, "--json"),
        *("--reporter", "mlflow", "--reporter", "json", "--reporter", "tensorboard"),
        *("--set", f"reporter.mlflow.experiment={EXPERIMENT}"),
        uri=server.uri,
    )
    assert done.returncode == 0, done.stderr
    return Fit(folder, done.stdout, done.stderr)


def test_every_figure_of_every_epoch_is_on_the_server_at_its_step_and_time(server, fit):
    epochs = fit.of(EpochDone)
    assert {event.phase for event in epochs} == {"probe", "fine_tune"}
    expected = {}
    for step, event in enumerate(epochs, start=1):
        for split in ("train", "val"):
            for name, value in getattr(event, split).items():
                expected.setdefault(f"{event.phase}/{split}/{name}", []).append((milliseconds(event), step, value))
        for stage, rate in event.rates.items():
            expected.setdefault(f"{event.phase}/rate/{stage}", []).append((milliseconds(event), step, rate))
    assert len(expected) > 15
    assert {key: server.points(fit.id, key) for key in expected} == expected


def test_the_results_are_on_the_server(server, fit):
    figures = {metric["key"]: metric["value"] for metric in server.run(fit.id)["data"]["metrics"]}
    for split, values in fit.result["metrics"].items():
        for name, value in values.items():
            assert figures.get(f"{split}/{name}") == value
    low, high = fit.result["intervals"]["test"]["accuracy"]
    assert (figures["test/accuracy_low"], figures["test/accuracy_high"]) == (low, high)
    assert figures["baseline/majority_accuracy"] == fit.result["baseline"]["majority_accuracy"]


def test_the_recipe_is_on_the_server_as_parameters(server, fit):
    told = {parameter["key"]: parameter["value"] for parameter in server.run(fit.id)["data"]["params"]}
    recipe = tomllib.loads((fit.folder / "recipe.toml").read_text(encoding="utf-8"))
    assert told["fit.backbone"] == "small/net"
    assert told["fit.limit"] == "100"
    assert told["strategy.head_factor"] == str(recipe["strategy"]["head_factor"])
    tables = [table for table in recipe if table != "reporter"]
    assert len(told) == sum(len(recipe[table]) for table in tables)


def test_the_run_can_be_searched_by_what_it_was(server, fit):
    tags = {tag["key"]: tag["value"] for tag in server.run(fit.id)["data"]["tags"]}
    assert tags["headstart.backend"] == "torch"
    assert tags["headstart.backbone"] == "small/net"
    assert tags["headstart.split_hash"] == fit.result["split_hash"]
    query = "tags.`headstart.split_hash` = '{}'".format(fit.result["split_hash"])
    everywhere = [server.ask("experiments/get-by-name", experiment_name=EXPERIMENT)["experiment"]["experiment_id"]]
    found = server.post("runs/search", experiment_ids=everywhere, filter=query)["runs"]
    assert [run["info"]["run_id"] for run in found] == [fit.id]


def test_the_run_has_its_name_its_times_and_its_end(server, fit):
    info = server.run(fit.id)["info"]
    (started,), (finished,) = fit.of(RunStarted), fit.of(RunFinished)
    assert (info["run_name"], info["status"]) == ("run", "FINISHED")
    assert (info["start_time"], info["end_time"]) == (milliseconds(started), milliseconds(finished))


def test_the_model_the_numbers_and_every_report_arrive_to_the_byte(server, fit):
    names = ["recipe.toml", "result.json", "predictions.csv"]
    for folder in ("artefact", "report"):
        inside = [path for path in (fit.folder / folder).rglob("*") if path.is_file()]
        names += [path.relative_to(fit.folder).as_posix() for path in inside]
    names.remove("report/mlflow.json")
    assert {"artefact/weights.safetensors", "report/report.json"} <= set(names)
    assert len([name for name in names if name.startswith("report/tensorboard/")]) == 3
    assert server.files(fit.id) == {name: (fit.folder / name).read_bytes() for name in names}


def test_stdout_is_the_result_alone_and_stderr_says_where_to_look(server, fit):
    assert json.loads(fit.printed) == fit.result
    assert f"{server.uri}/#/experiments/" in fit.said
    assert fit.id in fit.said
    assert "switched off" not in fit.said


@pytest.mark.parametrize("named", [True, False], ids=["named", "remembered"])
def test_a_replay_goes_on_with_the_same_run_and_doubles_nothing(server, fit, tmp_path, named):
    folder = fit.copied(tmp_path / "copy")
    before, points = server.run(fit.id), server.points(fit.id, "fine_tune/val/accuracy")
    done = headstart("report", folder, "--reporter", "mlflow", uri=server.uri if named else None)
    assert done.returncode == 0, done.stderr
    assert server.runs(EXPERIMENT) == [fit.id]
    assert server.run(fit.id) == before
    assert server.points(fit.id, "fine_tune/val/accuracy") == points


def test_a_run_made_without_mlflow_is_logged_by_a_replay_and_no_password_is_kept(server, fit, tmp_path):
    folder = fit.copied(tmp_path / "new")
    (folder / "report" / "mlflow.json").unlink()
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace(f'"{EXPERIMENT}"', '"replayed"'), encoding="utf-8")
    address = server.uri.replace("http://", "http://me:secret@")
    done = headstart("report", folder, "--reporter", "mlflow", uri=address)
    assert done.returncode == 0, done.stderr
    assert server.runs("replayed") == [run_id_of(folder)]
    assert server.points(run_id_of(folder), "test/accuracy") == server.points(fit.id, "test/accuracy")
    assert "secret" not in done.stderr
    assert [path for path in folder.rglob("*") if path.is_file() and b"secret" in path.read_bytes()] == []


def test_a_replay_of_a_run_that_the_server_lost_says_so_and_makes_none(server, fit, tmp_path):
    folder = fit.copied(tmp_path / "lost")
    record = folder / "report" / "mlflow.json"
    record.write_text(record.read_text(encoding="utf-8").replace(fit.id, "0" * 32), encoding="utf-8")
    done = headstart("report", folder, "--reporter", "mlflow", uri=server.uri)
    assert done.returncode == 1
    assert f"has no run {'0' * 32}" in done.stderr
    assert "remove report/mlflow.json" in done.stderr
    assert server.runs(EXPERIMENT) == [fit.id]


def test_a_fit_that_is_stopped_by_its_user_ends_as_killed(server, tmp_path):
    folder = tmp_path / "run"
    words = ("fit", "digits", *SMALL, "--epochs", "10000", "--out", str(folder), "--reporter", "mlflow")
    process = subprocess.Popen([*COMMAND, *words], env=environment(server.uri), stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: (folder / "events.jsonl").is_file() and is_fine_tuning(folder), process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130
    info = server.run(run_id_of(folder))["info"]
    assert info["status"] == "KILLED"
    assert info["end_time"] >= info["start_time"]


def is_fine_tuning(folder):
    return any(isinstance(event, EpochDone) and event.rates for event in read_events(folder / "events.jsonl"))


def wait_for(condition, process, seconds=90):
    ends = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < ends
        time.sleep(0.1)


BREAKS = """
from headstart.hookspecs import hookimpl
from headstart.specs import AugmentationSpec

@hookimpl
def register_augmentations():
    return [AugmentationSpec(name="breaks/now", summary="Breaks.", build="breaks:Breaks")]

class Breaks:
    def __init__(self, request):
        pass

    def draw(self, seed, epoch, key):
        raise RuntimeError("broken on purpose")
"""


def test_a_fit_that_breaks_off_ends_as_failed(server, tmp_path):
    write_distribution(tmp_path, "breaks", BREAKS)
    folder = tmp_path / "run"
    done = headstart(
        *(
            "fit",
            "digits",
            *SMALL,
            "--strategy",
            "full",
            "--augment",
            "breaks/now",
            "--out",
            folder,
            "--reporter",
            "mlflow",
        ),
        uri=server.uri,
        PYTHONPATH=os.pathsep.join([str(SMALL_PLUGIN), str(tmp_path)]),
    )
    assert done.returncode == 1, done.stderr
    assert "broken on purpose" in done.stderr
    assert server.run(run_id_of(folder))["info"]["status"] == "FAILED"


def told_again(uri, fit, folder, meanwhile=lambda event: None):
    """Tell the events of a real run to the reporter, as a live run does; the log with its warnings."""
    request = ReporterRequest(options=MlflowOptions(tracking_uri=uri), interactive=False, live=True)
    folder.mkdir()
    with EventLog(folder / "events.jsonl", [("mlflow", build(request))], SampleView(folder, dict)) as log:
        for event in fit.events:
            meanwhile(event)
            log.emit(event)
    return log


def test_a_server_that_goes_away_switches_the_reporter_off_and_the_run_goes_on(mortal_server, fit, tmp_path):
    def stop_after_the_probe(event):
        if isinstance(event, PhaseDone) and event.phase == "probe":
            mortal_server.stop()

    began = time.monotonic()
    log = told_again(mortal_server.uri, fit, tmp_path / "run", stop_after_the_probe)
    assert time.monotonic() - began < 60
    assert [message for message in log.warnings if "'mlflow' was switched off at EpochDone" in message]
    assert isinstance(read_events(tmp_path / "run" / "events.jsonl")[-1], RunFinished)


def test_a_server_that_never_answers_costs_a_run_half_a_minute_once(fit, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("MLFLOW")]:
        monkeypatch.delenv(name)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(50)
        began = time.monotonic()
        log = told_again(f"http://127.0.0.1:{deaf.getsockname()[1]}", fit, tmp_path / "run")
        took = time.monotonic() - began
    assert [message for message in log.warnings if "'mlflow' was switched off at RunStarted" in message]
    assert 15 < took < 45
