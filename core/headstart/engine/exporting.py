"""Graphs of a network for other engines: made in a process of their own, kept in the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.backend import VARIABLE
from headstart.errors import EngineRefusal
from headstart.registry import Registry
from headstart.specs import EngineSpec

MODULE = "headstart.engine.worker"
SHOWN = 2000
"""Characters of a failed process' last words that are shown."""


@dataclass(frozen=True)
class Job:
    """What is exported: the first `stop` stages of the network that the folder `artefact` holds, for one engine."""

    artefact: Path
    stop: int
    engine: EngineSpec


def export(job: Job, registry: Registry, folder: Path) -> None:
    """Write the graph below `folder`. Raises EngineRefusal with the exporter's reason, or its last words."""
    answer = folder.with_name(f"{folder.name}.answer.json")
    document = {
        "artefact": str(job.artefact.absolute()),
        "stop": job.stop,
        "engine": job.engine.name,
        "backend": job.engine.exporter_backend,
        "folder": str(folder.absolute()),
        "answer": str(answer.absolute()),
        "disable": [plugin.name for plugin in registry.plugins if plugin.disabled],
    }
    try:
        _run(document, job.engine)
        if refused := json.loads(answer.read_text(encoding="utf-8")):
            raise EngineRefusal(f"{job.engine.name} cannot take this network: {refused['message']}", **_hint(refused))
    finally:
        answer.unlink(missing_ok=True)


def _hint(refused: Mapping[str, Any]) -> dict[str, Any]:
    return {"hint": refused["hint"] or "use another engine, or --engine native"}


def _run(document: Mapping[str, Any], engine: EngineSpec) -> None:
    path = os.pathsep.join(part for part in sys.path if part)
    environment = {**os.environ, VARIABLE: str(engine.exporter_backend), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-P", "-m", MODULE],
        input=json.dumps(document),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise EngineRefusal(
            f"the process that exports for {engine.name} ended with {done.returncode}: {done.stderr.strip()[-SHOWN:]}",
            hint="use another engine, or --engine native",
        )
