"""The json reporter: report/report.json, one document for dashboards."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from headstart.events import Event, RunFinished
from headstart.specs import Reporter, ReporterRequest, RunView
from headstart_plugins.reporters._history import History, write_report

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
            text = json.dumps(document(self._history, event), indent=1, allow_nan=False)
            write_report(run, "report.json", (text + "\n").encode("utf-8"))


def document(history: History, finished: RunFinished) -> dict[str, Any]:
    """The whole run as plain values."""
    return {
        "schema": SCHEMA,
        "run": asdict(history.run) if history.run else None,
        "phases": [asdict(phase) for phase in history.phases],
        "warnings": [asdict(warning) for warning in history.warnings],
        "result": dict(finished.result),
    }
