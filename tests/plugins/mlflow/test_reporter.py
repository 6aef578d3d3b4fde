"""The reporter with MLflow's client and a store of files; `test_server.py` has the same against a server.

Needs the extra `mlflow`, which `all` does not bring.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from headstart.errors import DivergedError, HeadstartError, UsageError
from headstart.eventlog import EventLog
from headstart.events import EpochDone, RunFinished, RunStarted, Warned
from headstart.specs import ReporterRequest
from headstart_plugins.mlflow import MlflowOptions, register_reporters
from headstart_plugins.mlflow._build import RUNNING, build, mannerly

with mannerly(RUNNING):
    pytest.importorskip("mlflow", reason="pip install 'headstart[mlflow]'")
    from mlflow import MlflowClient

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # MLflow would rather have a database

(SPEC,) = register_reporters()
START = 1_700_000_000.25


def epoch(phase, number, seconds):
    return EpochDone(
        time=START + seconds, phase=phase, epoch=number, epochs=2, seconds=0.5, best=True,
        train={"loss": 1 / seconds}, val={"loss": 2 / seconds}, rates={"head": seconds / 1000},
    )  # fmt: skip


EPOCHS = [epoch("probe", 1, 10), epoch("probe", 2, 20), epoch("fine_tune", 1, 30)]
EVENTS = [
    RunStarted(
        time=START, run="runs/x", backend="jax", backbone="a/b", weights="none", task="c/d", strategy="e/f",
        primary_metric="loss", higher_is_better=False, classes=("a",), samples={}, parameters={}, phases=("probe",),
    ),
    *EPOCHS,
    RunFinished(time=START + 40, result={"metrics": {"test": {"loss": 0.25}}, "split_hash": "abc"}),
]  # fmt: skip


@dataclass(frozen=True)
class Folder:
    """A run's folder; fulfils RunView."""

    path: Path

    def preview(self, key):
        return None

    def files(self):
        """Every file below it, and what it holds."""
        return {p.relative_to(self.path).as_posix(): p.read_bytes() for p in self.path.rglob("*") if p.is_file()}


class Store:
    """What MLflow has, by its client."""

    def __init__(self, uri):
        self.uri = uri
        self._client = MlflowClient(tracking_uri=uri)

    def runs(self, experiment="headstart"):
        found = self._client.get_experiment_by_name(experiment)
        return self._client.search_runs([found.experiment_id]) if found else []

    def points(self, key):
        """(time in milliseconds, step, value) of each point of the only run."""
        (run,) = self.runs()
        return [(p.timestamp, p.step, p.value) for p in self._client.get_metric_history(run.info.run_id, key)]

    def files(self):
        """Every artefact of the only run, and what it holds."""
        (run,) = self.runs()
        folder = Path(run.info.artifact_uri.removeprefix("file://"))
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    def delete(self):
        (run,) = self.runs()
        self._client.delete_run(run.info.run_id)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Store((tmp_path / "store").as_uri())


@pytest.fixture
def run(tmp_path):
    """The folder as it is when a run finishes."""
    folder = Folder(tmp_path / "run")
    for name, text in {
        "recipe.toml": "[fit]\nepochs = 2\n",
        "result.json": "{}",
        "predictions.csv": "key,split\n",
        "split.csv": "not asked for",
        "artefact/manifest.json": "{}",
        "artefact/assets/words.txt": "a b",
        "report/report.html": "<p>drawn before</p>",
    }.items():
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_text(text, encoding="utf-8")
    return folder


def reporter(store, *, live=True, **options):
    chosen = MlflowOptions(**{"tracking_uri": store.uri, **options})
    return build(ReporterRequest(options=chosen, interactive=False, live=live))


def tell(store, run, events=EVENTS, **more):
    told = reporter(store, **more)
    for event in events:
        told.on_event(event, run)
    return told


def test_each_epoch_is_a_point_at_its_step_and_time(store, run):
    tell(store, run)
    assert store.points("probe/val/loss") == [(1_700_000_010_250, 1, 0.2), (1_700_000_020_250, 2, 0.1)]
    assert store.points("fine_tune/train/loss") == [(1_700_000_030_250, 3, 1 / 30)]
    assert store.points("fine_tune/rate/head") == [(1_700_000_030_250, 3, 0.03)]
    assert store.points("test/loss") == [(1_700_000_040_250, 3, 0.25)]


def test_a_run_has_its_name_times_parameters_tags_and_end(store, run):
    tell(store, run)
    (found,) = store.runs()
    assert (found.info.run_name, found.info.status) == ("run", "FINISHED")
    assert (found.info.start_time, found.info.end_time) == (1_700_000_000_250, 1_700_000_040_250)
    assert found.data.params == {"fit.epochs": "2"}
    assert found.data.tags["headstart.backbone"] == "a/b"
    assert found.data.tags["headstart.split_hash"] == "abc"


def test_the_experiment_and_the_name_can_be_chosen(store, run):
    tell(store, run, experiment="cats", run_name="first")
    (found,) = store.runs("cats")
    assert found.info.run_name == "first"
    assert store.runs() == []


def test_the_model_the_numbers_and_the_reports_are_uploaded(store, run):
    tell(store, run)
    unasked = {"split.csv", "report/mlflow.json"}
    assert store.files() == {name: content for name, content in run.files().items() if name not in unasked}


def test_nothing_is_uploaded_where_nobody_wants_it(store, run):
    tell(store, run, artefacts=False).close()
    assert store.files() == {}


def test_reports_that_come_or_grow_later_are_uploaded_when_the_run_closes(store, run):
    told = tell(store, run)
    (run.path / "report" / "late.png").write_bytes(b"drawn after")
    (run.path / "report" / "report.html").write_text("<p>drawn again, after</p>", encoding="utf-8")
    told.close()
    assert store.files()["report/late.png"] == b"drawn after"
    assert store.files()["report/report.html"] == b"<p>drawn again, after</p>"
    assert store.runs()[0].info.status == "FINISHED"


def test_it_writes_exactly_what_it_declares(store, run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = run.files()
    tell(store, run).close()
    after = run.files()
    assert set(after) - set(before) == set(SPEC.writes)
    assert before.items() <= after.items()
    assert {path.name for path in tmp_path.iterdir()} == {"run", "store"}


def test_a_replay_goes_on_with_the_same_run_and_doubles_nothing(store, run):
    tell(store, run)
    (once,) = store.runs()
    points, record = store.points("probe/val/loss"), run.files()["report/mlflow.json"]
    (run.path / "report" / "new.png").write_bytes(b"drawn since")
    for _ in range(2):
        tell(store, run, live=False)
    (again,) = store.runs()
    assert again.info.run_id == once.info.run_id
    assert again.data.metrics == once.data.metrics
    assert store.points("probe/val/loss") == points
    assert store.files()["report/new.png"] == b"drawn since"
    assert run.files()["report/mlflow.json"] == record


def test_a_replay_adds_what_was_missing(store, run):
    tell(store, run, EVENTS[:2])
    tell(store, run, live=False)
    assert [step for _, step, _ in store.points("probe/val/loss")] == [1, 2]
    assert store.runs()[0].info.status == "FINISHED"


def test_a_replay_needs_no_address_since_the_run_knows_its_server(store, run):
    tell(store, run)
    tell(store, run, live=False, tracking_uri="")
    assert len(store.runs()) == 1


def test_a_replay_never_makes_a_second_run_by_itself(store, run, tmp_path):
    tell(store, run)
    elsewhere = Store((tmp_path / "other").as_uri())
    with pytest.raises(HeadstartError, match=r"as which this one was logged to .*remove report/mlflow\.json"):
        tell(elsewhere, run, live=False)
    assert elsewhere.runs() == []

    store.delete()
    with pytest.raises(HeadstartError, match="has no run"):
        tell(store, run, live=False)
    (run.path / "report" / "mlflow.json").unlink()
    tell(store, run, live=False)
    assert len(store.runs()) == 1


@pytest.mark.parametrize("text", ["", "[]", '{"server": "x"}', '{"schema": 1}'])
def test_a_damaged_record_is_named(store, run, text):
    (run.path / "report" / "mlflow.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"mlflow\.json is damaged .*; remove it"):
        tell(store, run)
    assert store.runs() == []


@pytest.mark.parametrize(
    ("ended_by", "status"), [(KeyboardInterrupt(), "KILLED"), (DivergedError("not finite"), "FAILED")]
)
def test_a_run_that_breaks_off_says_how(store, run, ended_by, status):
    log = EventLog(run.path / "events.jsonl", [("mlflow", reporter(store))], run)
    with pytest.raises(type(ended_by)), log:  # noqa: PT012 - both are one story: it was told, then it ended
        for event in EVENTS[:3]:
            log.emit(event)
        raise ended_by
    (found,) = store.runs()
    assert found.info.status == status
    assert len(store.points("probe/val/loss")) == 2


def test_a_finished_run_stays_finished_when_it_closes(store, run):
    with EventLog(run.path / "events.jsonl", [("mlflow", reporter(store))], run) as log:
        for event in EVENTS:
            log.emit(event)
    assert store.runs()[0].info.status == "FINISHED"
    assert log.warnings == []


def test_a_reporter_that_fails_leaves_no_run_that_goes_on_for_ever(store, run):
    (run.path / "recipe.toml").write_text("this is no TOML", encoding="utf-8")
    with pytest.raises(ValueError, match="Expected"):
        tell(store, run)
    assert store.runs()[0].info.status == "FAILED"


def test_files_that_cannot_be_uploaded_do_not_unfinish_the_run(store, run):
    told = tell(store, run, EVENTS[:-1])
    uploaded = Path(store.runs()[0].info.artifact_uri.removeprefix("file://"))
    (uploaded / "artefact").write_text("in the way of a folder", encoding="utf-8")
    with pytest.raises(OSError, match="artefact"):
        told.on_event(EVENTS[-1], run)
    (found,) = store.runs()
    assert (found.info.status, found.data.metrics["test/loss"]) == ("FINISHED", 0.25)


def test_a_run_that_never_started_leaves_nothing(store, run):
    told = tell(store, run, [Warned(time=START, message="too few pictures")])
    told.close()
    assert store.runs() == []
    assert not (run.path / "report" / "mlflow.json").exists()


def test_the_run_is_told_where_to_look(store, run, capsys):
    tell(store, run)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"mlflow:      run {store.runs()[0].info.run_id} in {store.uri}")


def test_a_password_is_neither_shown_nor_kept():
    from headstart_plugins.mlflow._tracked import RunRecord, without_password

    server = without_password("https://me:secret@host:8080/mlflow")
    assert server == "https://host:8080/mlflow"
    assert RunRecord(server, "1", "abc").place == "https://host:8080/mlflow/#/experiments/1/runs/abc"
    assert without_password("sqlite:////tmp/a@b.db") == "sqlite:////tmp/a@b.db"


def test_a_store_that_cannot_be_opened_is_told_before_a_run_starts(store):
    with pytest.raises(UsageError, match="MLflow cannot open carrier-pigeon://roof") as raised:
        reporter(store, tracking_uri="carrier-pigeon://roof")
    assert "MLFLOW_TRACKING_URI" in raised.value.hint


def test_no_framework_is_imported_and_no_telemetry_is_sent():
    code = (
        "import sys, threading\n"
        "from headstart.specs import ReporterRequest\n"
        "from headstart_plugins.mlflow import MlflowOptions\n"
        "from headstart_plugins.mlflow._build import build\n"
        "options = MlflowOptions('http://127.0.0.1:9')\n"
        "build(ReporterRequest(options=options, interactive=False, live=True))\n"
        "from mlflow.telemetry.client import get_telemetry_client\n"
        "loaded = sorted({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules))\n"
        "print(loaded, get_telemetry_client(), threading.active_count())\n"
    )
    users = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_CURRENT_TEST")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=users, check=False)
    assert done.stdout == "[] None 1\n", done.stderr
