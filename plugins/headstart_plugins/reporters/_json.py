"""The json reporter: report/report.json, one document for dashboards."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from headstart.atomic import write_file
from headstart.events import Event, RunFinished
from headstart.specs import Reporter, ReporterRequest, RunView
from headstart_plugins.reporters._history import History, PhaseHistory

SCHEMA = 1


def build(request: ReporterRequest) -> Reporter:
    """A reporter that writes its document once the run has finished."""
    return JsonReporter()


class JsonReporter:
    """`schema`, `run`, `phases` (each with its epochs), `warnings` and `result`."""

    def __init__(self) -> None:
        self._history = History()

    def on_event(self, event: Event, run: RunView) -> None:
        """Gather; at RunFinished, write."""
        self._history.hear(event)
        if isinstance(event, RunFinished):
            text = json.dumps(document(self._history), indent=1, allow_nan=False)
            folder = run.path / "report"
            folder.mkdir(exist_ok=True)
            write_file(folder / "report.json", (text + "\n").encode("utf-8"))


def document(history: History) -> dict[str, Any]:
    """The whole run as plain values."""
    return {
        "schema": SCHEMA,
        "run": _plain(history.run),
        "phases": [_phase(phase) for phase in history.phases],
        "warnings": [_plain(warning) for warning in history.warnings],
        "result": dict(history.finished.result) if history.finished else None,
    }


def _phase(phase: PhaseHistory) -> dict[str, Any]:
    return {
        "started": _plain(phase.started),
        "epochs": [_plain(epoch) for epoch in phase.epochs],
        "done": _plain(phase.done),
    }


def _plain(event: Event | None) -> dict[str, Any] | None:
    return dataclasses.asdict(event) if event is not None else None
