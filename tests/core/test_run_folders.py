"""Whole runs that did not end where they should: what they leave, and how the next one in the same folder fares."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.errors import DataError, HeadstartError, InterruptedRunError, UsageError
from headstart.eventlog import read_all_events, read_events
from headstart.events import RunFinished, RunResumed, RunStarted, Warned
from headstart.runs import fitting
from headstart.runs.fitting import fit
from headstart.runs.lock import LOCK, locked

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True

STOPPING = """
import os
import signal
from headstart.hookspecs import hookimpl
from headstart.specs import LoweringSpec, ReporterSpec

@hookimpl
def register_lowerings():
    return [LoweringSpec(name="aa_stopping/absent", summary="Fast.", build="not.there:build", layer="Conv2D",
                         backends=("jax", "torch"))]

@hookimpl
def register_reporters():
    return [ReporterSpec(name=f"aa_stopping/{name}", summary="x.", build=f"aa_stopping:{name}", default=True)
            for name in ("brittle", "stopping", "nowhere")]

class Brittle:
    def on_event(self, event, run):
        if type(event).__name__ == "RunStarted":
            raise RuntimeError("too early")

def brittle(request):
    return Brittle()

class Stopping:
    def on_event(self, event, run):
        name = type(event).__name__
        where = f"{name} {getattr(event, 'phase', '')} {getattr(event, 'epoch', '')}"
        if os.environ.get("STOPPED_AT") in (name, where):
            number = int(os.environ["STOPPED_BY"])
            if number == signal.SIGSTOP:
                os.kill(os.getpid(), number)
            else:  # as a real one does, which ended a worker of pytest-xdist without a word now and then
                signal.getsignal(number)(number, None)

def stopping(request):
    return Stopping()
"""


@pytest.fixture
def published(tmp_path, monkeypatch, small_plugin):
    """The folder of a plugin whose reporters fail or stop the run, on this process' path."""
    from headstart.testing import write_distribution

    write_distribution(tmp_path / "published", "aa_stopping", STOPPING)
    monkeypatch.syspath_prepend(tmp_path / "published")
    return tmp_path / "published"


@pytest.fixture
def stopping(published):
    """Every offer, those of the plugin whose reporters fail or stop the run among them."""
    from headstart.registry import load_registry

    return load_registry()


def test_a_run_that_was_stopped_and_goes_on_warns_of_each_thing_once(
    finished, stopping, settings, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    first = {**settings, "data": f"image_folder:{finished.pictures}", "head": "mlp:8", "epochs": 4, "reporters": None}
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("STOPPED_BY", str(int(signal.SIGTERM)))
    for epoch, asked in ((2, first), (3, {"resume": True})):
        monkeypatch.setenv("STOPPED_AT", f"EpochDone probe {epoch}")
        with pytest.raises(InterruptedRunError):
            fit(out=str(out), registry=stopping, **asked)
    monkeypatch.delenv("STOPPED_AT")
    run = fit(out=str(out), registry=stopping, resume=True)

    told = run.result["warnings"]
    assert len(run.result["resumed"]) == 2
    assert [message for message in told if told.count(message) > 1] == []
    for part in (
        "load not.there:build",
        "nowhere",
        "'brittle' was switched off",
        "samples are kept for",
        "features are kept for",
    ):
        assert any(part in message for message in told), part
    events = read_events(out / "events.jsonl")
    assert [event.message for event in events if isinstance(event, Warned)] == told


def kept(run):
    """The bytes of what a run learned, and of what it answers."""
    return (run.folder.artefact / "weights.safetensors").read_bytes(), (run.path / "predictions.csv").read_bytes()


def test_a_run_that_trains_in_bfloat16_says_so_and_goes_on_to_the_same_bits(
    finished, stopping, settings, tmp_path, monkeypatch
):
    """JAX refuses bfloat16 on the CPU because it is slow there; what it computes is right."""
    monkeypatch.setattr("headstart.engine.precision.device_at_hand", lambda: "gpu")
    asked = {**settings, "data": f"image_folder:{finished.pictures}", "strategy": "full", "epochs": 3}
    narrow = {**asked, "sets": (*asked.pop("sets"), "training_precision=bfloat16"), "reporters": ("stopping",)}
    whole = fit(out=str(tmp_path / "whole"), registry=stopping, **narrow)
    monkeypatch.setenv("STOPPED_BY", str(int(signal.SIGTERM)))
    monkeypatch.setenv("STOPPED_AT", "EpochDone full 1")
    with pytest.raises(InterruptedRunError):
        fit(out=str(tmp_path / "run"), registry=stopping, **narrow)
    monkeypatch.delenv("STOPPED_AT")
    run = fit(out=str(tmp_path / "run"), registry=stopping, resume=True)

    assert kept(run) == kept(whole)
    assert len(run.result["resumed"]) == 1
    assert run.recipe.training_precision == "bfloat16"
    assert json.loads(run.folder.environment.read_text())["training_precision"] == "bfloat16"
    assert run.result["phases"][-1]["best_epoch"] > 1  # what was learned after it was stopped is what is kept
    exact = fit(out=str(tmp_path / "exact"), registry=stopping, **asked, sets=settings["sets"])
    assert json.loads(exact.folder.environment.read_text())["training_precision"] == "float32"
    assert kept(exact)[0] != kept(whole)[0]


@pytest.fixture
def interrupted(finished, stopping, settings, tmp_path, monkeypatch):
    """The folder of a run that was stopped after its second epoch."""
    asked = {**settings, "data": f"image_folder:{finished.pictures}", "strategy": "full", "epochs": 3}
    monkeypatch.setenv("STOPPED_BY", str(int(signal.SIGTERM)))
    monkeypatch.setenv("STOPPED_AT", "EpochDone full 2")
    with pytest.raises(InterruptedRunError):
        fit(out=str(tmp_path / "run"), registry=stopping, **{**asked, "reporters": ("stopping", "json")})
    monkeypatch.delenv("STOPPED_AT")
    return tmp_path / "run"


def test_what_a_loss_of_power_left_at_the_end_of_the_events_stops_no_run_from_going_on(interrupted, stopping):
    events = interrupted / "events.jsonl"
    before = len(read_all_events(events))
    events.write_bytes(events.read_bytes() + b"\0" * 90 + b"\n" + b"\0" * 7)
    run = fit(out=str(interrupted), registry=stopping, resume=True)

    assert f"each of the last 2 lines of {events} was cut short or damaged; it was taken away" in run.result["warnings"]
    assert len(read_all_events(events)) > before
    assert isinstance(read_events(events)[-1], RunFinished)


@pytest.mark.parametrize("cache", ["warm", "cold"])
def test_events_that_a_checkpoint_counts_and_that_are_gone_are_told(
    interrupted, stopping, tmp_path, monkeypatch, cache
):
    """The weights are whole, so that training can go on; its history is not. What is read anew is no event of it."""
    if cache == "cold":
        monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    events = interrupted / "events.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    last = max(place for place, line in enumerate(lines) if line.startswith(b'{"event": "EpochDone"'))
    events.write_bytes(b"".join(lines[:last]))
    run = fit(out=str(interrupted), registry=stopping, resume=True)

    (told,) = (message for message in run.result["warnings"] if "reports lack them" in message)
    assert told.startswith(f"{events} lacks 1 of the events before step.")
    (resumed,) = (event for event in read_events(events) if isinstance(event, RunResumed))
    assert resumed.after == last
    assert isinstance(read_events(events)[-1], RunFinished)


def test_what_was_set_aside_is_told_where_the_run_cannot_go_on_either(interrupted, stopping, monkeypatch):
    """The next one finds nothing of it."""
    last = sorted((interrupted / "checkpoints").iterdir(), key=lambda path: int(path.suffix[1:]))[-1]
    (last / "manifest.json").unlink()

    def fail(*given, **more):
        raise HeadstartError("no engine today")

    monkeypatch.setattr("headstart.runs.execution.open_extractor", fail)
    with pytest.raises(HeadstartError, match="no engine today"):
        fit(out=str(interrupted), registry=stopping, resume=True)
    told = [event.message for event in read_all_events(interrupted / "events.jsonl") if isinstance(event, Warned)]
    assert any(f"renamed to damaged.{last.name}" in message for message in told)


def test_a_finished_run_that_lost_its_artefact_or_result_writes_it_again(interrupted, stopping):
    run = fit(out=str(interrupted), registry=stopping, resume=True)
    before = kept(run)
    for lose in (lambda: shutil.rmtree(run.folder.artefact), lambda: (run.path / "result.json").write_text("{")):
        lose()
        assert kept(fit(out=str(interrupted), registry=stopping, resume=True)) == before


@pytest.mark.parametrize("name", ["split.csv", "events.jsonl"])
def test_a_file_that_a_run_goes_on_by_and_that_is_gone_is_named(interrupted, stopping, name):
    """Starting over would lose what was trained."""
    before = sorted(path.name for path in (interrupted / "checkpoints").iterdir())
    (interrupted / name).unlink()
    with pytest.raises(DataError, match=re.escape(name)) as caught:
        fit(out=str(interrupted), registry=stopping, resume=True)
    assert "restore it from a copy" in caught.value.hint
    assert sorted(path.name for path in (interrupted / "checkpoints").iterdir()) == before


def test_a_damaged_line_among_the_events_ends_the_run_with_what_to_do(interrupted, stopping):
    events = interrupted / "events.jsonl"
    content = events.read_bytes()
    events.write_bytes(content.replace(b'{"event": "PhaseStarted"', b'{"event": "PhaseSta', 1))
    with pytest.raises(DataError, match="is damaged") as caught:
        fit(out=str(interrupted), registry=stopping, resume=True)
    assert "restore the file from a copy" in caught.value.hint


KILLED = """
import sys
from headstart.runs.fitting import fit
fit(sys.argv[1], out=sys.argv[2], backbone="small/net", weights="none")
"""


@pytest.fixture
def stopped(published, small_plugin, finished, tmp_path):
    """A run in a process of its own that stands still while it reads its data."""
    path = os.pathsep.join([str(published), str(small_plugin), os.environ.get("PYTHONPATH", "")])
    wanted = {"STOPPED_AT": "Progress", "STOPPED_BY": str(int(signal.SIGSTOP))}
    environment = {**os.environ, **wanted, "PYTHONPATH": path, "HEADSTART_CACHE": str(tmp_path / "cache")}
    arguments = [f"image_folder:{finished.pictures}", str(tmp_path / "run")]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], env=environment)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("resume", [False, True], ids=["fit", "resume"])
def test_a_run_killed_before_it_began_is_in_no_ones_way_once_it_is_dead(
    stopped, finished, small_registry, settings, tmp_path, resume
):
    out = tmp_path / "run"
    asked = {**settings, "epochs": 1, "out": str(out), "registry": small_registry, "resume": resume}
    assert {path.name for path in out.iterdir()} == {LOCK, "events.jsonl"}
    with pytest.raises(UsageError, match=f"in use by another run .process {stopped.pid} on"):
        fit(f"image_folder:{finished.pictures}", **asked)
    assert {path.name for path in out.iterdir()} == {LOCK, "events.jsonl"}

    stopped.kill()
    stopped.wait()
    with (out / "events.jsonl").open("a") as file:
        file.write('{"event": "Prog')
    (out / ".recipe.toml.0123456789abcdef0123456789abcdef").touch()
    (out / ".scratch").mkdir()
    run = fit(f"image_folder:{finished.pictures}", **asked)

    events = read_events(out / "events.jsonl")
    assert isinstance(events[0], RunStarted)
    assert sum(isinstance(event, RunStarted) for event in read_all_events(out / "events.jsonl")) == 1
    assert any(f"was left by process {stopped.pid}" in message for message in run.result["warnings"])
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


@pytest.fixture
def one_class(tmp_path, pictures_of):
    """Data of which no run can begin."""
    return f"image_folder:{pictures_of(tmp_path / 'one', classes=('1',))}"


def test_the_folder_of_a_run_that_did_not_begin_is_removed_before_another_can_claim_it(
    one_class, tmp_path, small_registry, settings, monkeypatch
):
    out, left = tmp_path / "run", []

    @contextlib.contextmanager
    def then_looked(folder):
        try:
            with locked(folder) as lock:
                yield lock
        finally:
            left.append(folder.exists())

    monkeypatch.setattr(fitting, "locked", then_looked)
    with pytest.raises(DataError):
        fit(one_class, out=str(out), registry=small_registry, **settings)
    assert left == [False]


def test_a_folder_that_another_run_locks_in_that_moment_is_left_to_it(
    one_class, tmp_path, small_registry, settings, monkeypatch
):
    out, real = tmp_path / "run", Path.rmdir
    with contextlib.ExitStack() as other:

        def claimed_first(path):
            if path == out:
                other.enter_context(locked(path))
            real(path)

        monkeypatch.setattr(Path, "rmdir", claimed_first)
        with pytest.raises(DataError):
            fit(one_class, out=str(out), registry=small_registry, **settings)
        assert [path.name for path in out.iterdir()] == [LOCK]
        with pytest.raises(UsageError, match=f"in use by another run .process {os.getpid()} on"), locked(out):
            pass


def test_a_run_without_a_checkpoint_that_can_be_read_starts_over_and_replaces_its_artefact(
    finished, small_registry, tmp_path
):
    out = tmp_path / "run"
    shutil.copytree(finished.run.path, out)
    (out / "result.json").unlink()
    lines = (out / "events.jsonl").read_bytes().splitlines(keepends=True)
    (out / "events.jsonl").write_bytes(b"".join(lines[:-1]))
    for manifest in (out / "checkpoints").glob("*/manifest.json"):
        manifest.write_text("{")
    (out / "artefact" / "manifest.json").write_text("{")  # nothing is taken from it
    run = fit(out=str(out), registry=small_registry, resume=True)

    assert run.result["resumed"] == []
    assert run.result["metrics"] == finished.run.result["metrics"]
    assert isinstance(read_events(out / "events.jsonl")[-1], RunFinished)
    for folder in (out, finished.run.path):
        json.loads((folder / "artefact" / "manifest.json").read_text())
    weights = [folder / "artefact" / "weights.safetensors" for folder in (out, finished.run.path)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
