"""A run on an MLflow server: opened, told to, and ended, through MLflow's client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import get_tracking_uri, is_tracking_uri_set

from headstart.atomic import write_file
from headstart.errors import HeadstartError, UsageError

Point = tuple[str, int, int]
"""A metric's name, step and time: the same point is told only once."""


@dataclass(frozen=True)
class RunRecord:
    """What report/mlflow.json holds; `server` without a user's name or password."""

    server: str
    experiment_id: str
    run_id: str

    @property
    def place(self) -> str:
        """Where people find the run."""
        if self.server.startswith("http"):
            return f"{self.server.rstrip('/')}/#/experiments/{self.experiment_id}/runs/{self.run_id}"
        return f"run {self.run_id} in {self.server}"


def connect(tracking_uri: str, fallback: str = "") -> MlflowClient:
    """A client of the server named, or of the one MLflow is set to, or of `fallback`, or of MLflow's own default.

    Talks to no server yet. Raises UsageError for a kind of store that cannot be opened here.
    """
    chosen = tracking_uri or ("" if is_tracking_uri_set() else fallback) or get_tracking_uri()
    try:
        return MlflowClient(tracking_uri=chosen)
    except Exception as exc:  # each kind of store has errors of its own
        raise UsageError(
            f"MLflow cannot open {without_password(chosen)}: {shorten(str(exc), 160)}",
            hint="name a tracking server, by MLFLOW_TRACKING_URI or --set reporter.mlflow.tracking_uri=http://HOST; "
            "a database here needs the whole of MLflow: pip install mlflow",
        ) from exc


def without_password(uri: str) -> str:
    """An address as it may be shown and stored."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def create(client: MlflowClient, experiment: str, *, name: str, time: int) -> TrackedRun:
    """A new run that started at `time` (milliseconds since the epoch), in an experiment that is made if need be."""
    info = client.create_run(_experiment_id(client, experiment), start_time=time, run_name=name).info
    record = RunRecord(without_password(client.tracking_uri), info.experiment_id, info.run_id)
    return TrackedRun(client, record, frozenset())


def reopen(client: MlflowClient, record: RunRecord) -> TrackedRun:
    """The run that was made before. Raises HeadstartError where the server does not have it: never a second one."""
    try:
        found = client.get_run(record.run_id)
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        found = None
    if found is None or found.info.lifecycle_stage != "active":
        raise HeadstartError(
            f"{without_password(client.tracking_uri)} has no run {record.run_id}, as which this one was logged to "
            f"{record.server}; name that server, or remove report/mlflow.json to log it as a new run"
        )
    known = {
        (point.key, point.step, point.timestamp)
        for key in found.data.metrics
        for point in client.get_metric_history(record.run_id, key)
    }
    return TrackedRun(client, record, frozenset(known))


def read_record(path: Path) -> RunRecord | None:
    """The record of an earlier time, or None. Raises ValueError naming a file that is damaged."""
    if not path.is_file():
        return None
    try:
        return RunRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as exc:
        raise ValueError(f"{path} is damaged ({exc}); remove it to log this run as a new one") from exc


def write_record(path: Path, record: RunRecord) -> None:
    """Keep which MLflow run this run is."""
    path.parent.mkdir(exist_ok=True)
    write_file(path, (json.dumps(asdict(record), indent=1) + "\n").encode("utf-8"))


class TrackedRun:
    """One run on the server. `known` are the points that it has already. Times are milliseconds since the epoch."""

    def __init__(self, client: MlflowClient, record: RunRecord, known: frozenset[Point]) -> None:
        self.record = record
        self._client = client
        self._known = known

    def describe(self, parameters: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Set parameters and tags. MLflow refuses another value for a parameter that is set."""
        self._batch(
            params=[Param(name, value) for name, value in parameters.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def measure(self, metrics: Mapping[str, float], *, step: int, time: int) -> None:
        """Add one point a metric."""
        points = [Metric(name, value, time, step) for name, value in metrics.items()]
        self._batch(metrics=[point for point in points if (point.key, step, time) not in self._known])

    def upload(self, path: Path, folder: str | None = None) -> None:
        """Copy a file, or a folder with everything in it, into `folder` of the run's artefacts."""
        run_id = self.record.run_id
        if path.is_dir():
            self._client.log_artifacts(run_id, str(path), folder)
        else:
            self._client.log_artifact(run_id, str(path), folder)

    def end(self, status: str, time: int) -> None:
        """Say that the run is over: FINISHED, FAILED or KILLED."""
        self._client.set_terminated(self.record.run_id, status, time)

    def _batch(self, **entities: Any) -> None:
        self._client.log_batch(self.record.run_id, **entities)  # splits what is too much for one request


def _experiment_id(client: MlflowClient, experiment: str) -> str:
    found = client.get_experiment_by_name(experiment)
    if found is None:
        try:
            return str(client.create_experiment(experiment))
        except MlflowException as exc:
            if exc.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(experiment)  # another run made it in between
    return str(found.experiment_id)
