"""In a fresh process: build a reporter and tell it a whole run. `python -m headstart.testing.reporters.telling`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.host.guard import describe
from headstart.options import parse_options
from headstart.registry import load_registry
from headstart.specs import ReporterRequest
from headstart.testing.fresh_process import answer
from headstart.testing.reporters.recorded_run import RecordedRun

UNWANTED = ("keras", "tensorflow")


def tell_run(request: Mapping[str, Any]) -> dict[str, Any]:
    """{"loaded": frameworks that are there afterwards, "error": what the reporter raised, or None}."""
    error = None
    try:
        _tell(request)
    except (Exception, SystemExit) as exc:  # of the author's code
        error = describe(exc)
    return {"loaded": [name for name in UNWANTED if name in sys.modules], "error": error}


def _tell(request: Mapping[str, Any]) -> None:
    registry = load_registry()
    spec = registry.get("reporters", request["name"])
    options, _ = parse_options(spec.options, request["options"], "options")
    reporter = registry.load_target(spec, spec.build)(ReporterRequest(options, interactive=False, live=True))
    try:
        RecordedRun(Path(request["folder"])).happen([reporter])
    finally:
        if hasattr(reporter, "close"):
            reporter.close()


if __name__ == "__main__":
    answer(tell_run)
