"""Run one of the kit's modules in a process of its own, where nothing is loaded yet; what it says comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAST_LINES = 12


@dataclass(frozen=True)
class Told:
    """What a fresh process gave: its `reply`, or None with its last words in `error`; and what it printed to stdout."""

    reply: Any
    error: str
    stdout: str


def run_fresh(
    module: str, request: Mapping[str, Any], *, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Told:
    """Run `python -m module` with this process' import path; it is given `request` and answers by `answer`.

    `folder` is its working directory; `environment` is added to this process' own.
    """
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        reply = Path(place) / "reply.json"
        done = subprocess.run(
            [sys.executable, "-P", "-m", module, str(reply)],
            input=json.dumps(request),
            env=_environment(environment or {}),
            cwd=folder or place,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        found = json.loads(reply.read_text("utf-8")) if done.returncode == 0 and reply.is_file() else None
    error = "" if found is not None else "\n".join(done.stderr.strip().splitlines()[-LAST_LINES:])
    return Told(found, error or f"exit code {done.returncode}", done.stdout)


def answer(compute: Callable[[Any], Any]) -> None:
    """The other end: read the request, compute the reply, write it. What is printed on the way stays on stdout."""
    request = json.load(sys.stdin)
    Path(sys.argv[1]).write_text(json.dumps(compute(request)), encoding="utf-8")


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, "PYTHONPATH": path, **added}
