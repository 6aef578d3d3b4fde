"""The json reporter: report/report.json, one document for dashboards."""

from __future__ import annotations

import json
from dataclasses import asdict

from headstart.events import RunFinished
from headstart.specs import Reporter, ReporterRequest, RunView
from headstart_plugins.reporters._history import History, ReportAtEnd

SCHEMA = 1


def build(request: ReporterRequest) -> Reporter:
    """A reporter that writes its document once the run has finished."""
    return ReportAtEnd("report.json", document)


def document(history: History, finished: RunFinished, run: RunView) -> str:
    """The whole run as plain values: `schema`, `run`, `phases` with their epochs, `warnings`, `notes` and `result`."""
    values = {
        "schema": SCHEMA,
        "run": asdict(history.run) if history.run else None,
        "phases": [asdict(phase) for phase in history.phases],
        "warnings": [asdict(warning) for warning in history.warnings],
        "notes": [asdict(note) for note in history.notes],
        "result": dict(finished.result),
    }
    return json.dumps(values, indent=1, allow_nan=False) + "\n"
