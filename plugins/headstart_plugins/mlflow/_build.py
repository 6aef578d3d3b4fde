"""The mlflow reporter: events of a run to a tracking server."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from headstart.documents import as_text, escaped
from headstart.errors import InterruptedRunError, UsageError
from headstart.events import EpochDone, Event, RunFinished, RunStarted
from headstart.specs import Reporter, ReporterRequest, RunView
from headstart_plugins._epoch_steps import EpochSteps
from headstart_plugins.mlflow import RECORD, MlflowOptions, _values

if TYPE_CHECKING:
    from headstart_plugins.mlflow._tracked import TrackedRun

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # on by default from MLflow 3; nobody asked for it
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
RUNNING: Mapping[str, str] = {
    **QUIET,
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
"""Seconds a try, and tries after the first: a server that does not answer holds a run up for two tries, once."""
ENDING: Mapping[str, str] = {
    **QUIET,
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
"""Somebody who stopped a run wants it to end now."""


@contextlib.contextmanager
def mannerly(settings: Mapping[str, str]) -> Iterator[None]:
    """Run a block under `settings`, what it prints on stderr: stdout is data."""
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)


FILES = ("recipe.toml", "result.json", "predictions.csv")


def build(request: ReporterRequest) -> Reporter:
    """The reporter. Raises UsageError where MLflow is missing, or can open no store: before a run reads its data."""
    with mannerly(RUNNING):
        try:
            from headstart_plugins.mlflow._tracked import connect
        except Exception as exc:  # absent, or at odds with what else is installed: its own kinds of error
            raise UsageError(
                f"the reporter 'mlflow' needs the package mlflow-skinny or mlflow, which cannot be imported: {exc}",
                hint="pip install 'headstart[mlflow]'",
            ) from exc
        if request.live:
            connect(request.options.tracking_uri)
    return MlflowReporter(request.options, live=request.live)


class MlflowReporter:
    """One MLflow run for one run of ours. Steps count the epochs of all its phases."""

    def __init__(self, options: MlflowOptions, *, live: bool) -> None:
        self._options = options
        self._live = live
        self._run: TrackedRun | None = None
        self._finished: RunView | None = None
        self._uploaded: dict[Path, tuple[int, int]] = {}
        self._steps = EpochSteps()

    def on_event(self, event: Event, run: RunView) -> None:
        """Tell the server how the run began, what each epoch measured, and how it ended."""
        try:
            with mannerly(RUNNING):
                self._tell(event, run)
        except Exception:
            self._give_up()
            raise

    def close(self) -> None:
        """Say that a run broke off; of one that finished, upload what reporters after this one have written."""
        if self._run is None:
            return
        if self._finished is not None:
            with mannerly(RUNNING):
                self._upload_reports(self._run, self._finished)
        else:
            with mannerly(ENDING):  # the log closes its reporters while it handles what ended the run
                self._run.end(
                    "KILLED" if isinstance(sys.exc_info()[1], KeyboardInterrupt | InterruptedRunError) else "FAILED",
                    _milliseconds(time()),
                )

    def _tell(self, event: Event, run: RunView) -> None:
        self._steps.hear(event)
        if isinstance(event, RunStarted):
            self._start(event, run)
        elif isinstance(event, EpochDone) and self._run is not None:
            self._run.measure(_values.epoch_metrics(event), step=self._steps.last, time=_milliseconds(event.time))
        elif isinstance(event, RunFinished) and self._run is not None:
            self._finish(self._run, event, run)

    def _start(self, event: RunStarted, run: RunView) -> None:
        self._run = self._open(event, run)
        recipe = run.path / "recipe.toml"
        parameters = _values.parameters(as_text(recipe.read_bytes())) if recipe.is_file() else {}
        self._run.describe(parameters, _values.start_tags(event))
        sys.stderr.write(f"mlflow:      {self._run.record.place}\n")

    def _open(self, event: RunStarted, run: RunView) -> TrackedRun:
        """A new MLflow run, or the one that report/mlflow.json names."""

        from headstart_plugins.mlflow import _tracked

        kept = run.path / RECORD
        record = _tracked.read_record(kept)
        client = _tracked.connect(self._options.tracking_uri, fallback=record.server if record else "")
        if record is not None:
            return _tracked.reopen(client, record)
        name = self._options.run_name or escaped(run.path.resolve().name)
        opened = _tracked.create(client, self._options.experiment, name=name, time=_milliseconds(event.time))
        _tracked.write_record(kept, opened.record)
        return opened

    def _finish(self, tracked: TrackedRun, event: RunFinished, run: RunView) -> None:
        tracked.measure(_values.final_metrics(event), step=self._steps.last, time=_milliseconds(event.time))
        tracked.describe({}, _values.final_tags(event))
        self._finished = run
        try:
            self._upload(tracked, run)
        finally:  # our run has finished, whether or not its files arrive
            tracked.end("FINISHED", _milliseconds(event.time))

    def _upload(self, tracked: TrackedRun, run: RunView) -> None:
        if not self._options.artefacts:
            return
        for name in FILES:
            if (run.path / name).is_file():
                tracked.upload(run.path / name)
        if (run.path / "artefact").is_dir():
            tracked.upload(run.path / "artefact", "artefact")
        self._upload_reports(tracked, run)

    def _upload_reports(self, tracked: TrackedRun, run: RunView) -> None:
        """What lies in report/ and was not uploaded as it is now, but for our own record."""
        if not self._options.artefacts:
            return
        for path in sorted((run.path / "report").rglob("*")):
            inside = path.relative_to(run.path)
            if not path.is_file() or inside.as_posix() == RECORD:
                continue
            seen = path.stat()
            state = seen.st_size, seen.st_mtime_ns
            if self._uploaded.get(inside) != state:
                tracked.upload(path, inside.parent.as_posix())
                self._uploaded[inside] = state

    def _give_up(self) -> None:
        """This reporter will be switched off: leave no run on the server that seems to go on for ever."""
        if self._live and self._run is not None and self._finished is None:
            with contextlib.suppress(Exception), mannerly(ENDING):
                self._run.end("FAILED", _milliseconds(time()))


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
