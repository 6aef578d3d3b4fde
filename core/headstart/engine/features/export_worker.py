"""A process of its own in which engines export graphs: another Keras backend than that of the run.

    python -P -m headstart.engine.features.export_worker BACKEND < jobs

Keras and the plugins are loaded first, so that a process can be started before there is a job. Each line is one: it
names an artefact, the engine, how many stages are exported, and where to; the answer is a JSON file, and after it
comes a line on stdout. No job is no mistake.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Read jobs from stdin, and write {} or {message, hint} to the file that each names."""
    from headstart.backend import BackendChoice, activate
    from headstart.engine.features.export import DONE
    from headstart.errors import HeadstartError
    from headstart.host.telemetry import without_telemetry
    from headstart.spans import span, watch_imports

    watch_imports()
    without_telemetry()
    activate(BackendChoice(sys.argv[1], "the engine that exports"))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what is printed keeps its place
    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        answer = {}
        try:
            from headstart.engine.network.saved import SavedNetwork
            from headstart.registry import load_registry
            from headstart.specs import EngineExport

            registry = load_registry(disable=tuple(job["disable"]))
            spec = registry.get("engines", job["engine"])
            network = SavedNetwork.load(job["artefact"], registry=registry).network
            export = registry.load_target(spec, spec.export)
            with span("exporting"):
                export(EngineExport(network, job["stop"], Path(job["folder"])))
        except HeadstartError as exc:
            answer = {"message": exc.message, "hint": exc.hint}
        Path(job["answer"]).write_text(json.dumps(answer), encoding="utf-8")
        sys.stdout.write(f"{DONE}\n")


if __name__ == "__main__":
    main()
