"""Graphs of a network for other engines, made in processes of their own: each needs another Keras backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
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
DONE = "an export is done"
"""What the process says in a line of its own after each."""
Process = subprocess.Popen[str]


@dataclass
class Exporters:
    """Starts the processes that export; use as a context manager, so that none stays behind.

    A process ends with its export, or where they are `kept` goes on to the next one of its Keras backend.
    """

    registry: Registry
    kept: bool = False
    _waiting: dict[str, Process] = field(default_factory=dict, init=False)
    """By Keras backend: started, and without a job."""

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
        backend = str(spec.exporter_backend)
        if backend in self._waiting:
            return
        path = os.pathsep.join(part for part in sys.path if part)
        self._waiting[backend] = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, backend],
            env={**os.environ, VARIABLE: backend, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
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
            process = self._waiting[str(engine.exporter_backend)]
            said = self._done(process, json.dumps(document))  # interrupted, it is ended by `__exit__`
            if process.returncode is not None or not self.kept:
                del self._waiting[str(engine.exporter_backend)]
            if process.returncode:
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

    def _done(self, process: Process, job: str) -> str:
        """What the process said until the job was done, or it ended."""
        if not self.kept:
            return process.communicate(job)[0]
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # it ended early, and has said why
            print(job, file=process.stdin, flush=True)
        lines: list[str] = []
        for line in process.stdout:
            if line.strip() == DONE:
                return "".join(lines)
            lines.append(line)
        return "".join((*lines, process.communicate()[0]))
