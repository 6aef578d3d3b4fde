"""Graphs of a network for other engines, made in processes of their own: each needs another Keras backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from headstart.backend import VARIABLE
from headstart.cache import open_cache
from headstart.errors import EngineRefusal
from headstart.registry import Registry
from headstart.spans import span
from headstart.specs import BackboneSpec, EngineSpec

MANY = 500
"""Samples from which an export is likely to be worth its start."""
MODULE = "headstart.engine.features.export_worker"
Process = subprocess.Popen[str]


@dataclass
class Exporters:
    """Starts the processes that export; use as a context manager, so that none stays behind."""

    registry: Registry
    _waiting: dict[str, Process] = field(default_factory=dict, init=False)

    def __enter__(self) -> Exporters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._waiting.values():
            process.kill()
            process.communicate()

    def expect(self, spec: EngineSpec) -> None:
        """Start a process now, that will be ready when there is something to export for `spec`."""
        if spec.name in self._waiting:
            return
        path = os.pathsep.join(part for part in sys.path if part)
        self._waiting[spec.name] = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, str(spec.exporter_backend)],
            env={**os.environ, VARIABLE: str(spec.exporter_backend), "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def foresee(self, backbone: BackboneSpec, engine: EngineSpec | None, samples: int) -> None:
        """Start the process that exports `backbone` for the `engine` that was named, or that `auto` would probably try
        after the backend itself, where so many samples are likely to be worth it and none was exported before."""
        offered = [spec for spec in self.registry.specs("engines") if spec.export and not spec.missing]
        spec = engine or min(offered, key=lambda spec: (spec.startup, spec.name), default=None)
        if spec is None or spec.export is None or samples < MANY:
            return
        wanted = {"backbone": self.registry.builder_of(backbone).name, "engine": spec.name}
        kept = (dict(entry.facts) for entry in open_cache().entries() if entry.kind == "graphs")
        if not any(wanted.items() <= facts.items() for facts in kept):
            self.expect(spec)

    @span("waiting for exports")
    def export(self, engine: EngineSpec, folder: Path, *, artefact: Path, stop: int) -> None:
        """Write the graph of the first `stop` stages of the network that the folder `artefact` holds below `folder`.

        Raises EngineRefusal with the exporter's reason, or its last line.
        """
        answer = folder.with_name(f"{folder.name}.answer.json")
        document = {
            "artefact": str(artefact.absolute()),
            "stop": stop,
            "engine": engine.name,
            "folder": str(folder.absolute()),
            "answer": str(answer.absolute()),
            "disable": [plugin.name for plugin in self.registry.plugins if plugin.disabled],
        }
        try:
            self.expect(engine)
            process = self._waiting[engine.name]
            _, said = process.communicate(json.dumps(document))  # interrupted, it is ended by `__exit__`
            del self._waiting[engine.name]
            if process.returncode != 0:
                last = (said.strip().splitlines() or ["it said nothing"])[-1]  # a traceback ends with what went wrong
                raise EngineRefusal(
                    f"the process that exports for {engine.name} ended with {process.returncode}: {last}",
                    hint="use another engine, or --engine native",
                )
            if refused := json.loads(answer.read_text(encoding="utf-8")):
                reason = f"{engine.name} cannot take this network: {refused['message']}"
                raise EngineRefusal(reason, hint=refused["hint"] or "use another engine, or --engine native")
        finally:
            answer.unlink(missing_ok=True)
