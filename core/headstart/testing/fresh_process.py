"""Call one of the kit's functions in a process of its own, where nothing is loaded yet; what it gives comes back."""

from __future__ import annotations

import json
import os
import pkgutil
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
    compute: Callable[[Any], Any],
    request: Mapping[str, Any],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Told:
    """`compute(request)` in a process with this one's import path; `compute` is a function of a module, and what it
    takes and gives is plain.

    `folder` is its working directory; `environment` is added to this process' own.
    """
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        reply = Path(place) / "reply.json"
        name = f"{compute.__module__}:{compute.__qualname__}"
        done = subprocess.run(
            [sys.executable, "-P", "-c", f"from {__name__} import answer; answer()", name, str(reply)],
            input=json.dumps(request),
            env={**os.environ, "PYTHONPATH": path, **(environment or {})},
            cwd=folder or place,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        found = json.loads(reply.read_text("utf-8")) if done.returncode == 0 and reply.is_file() else None
    error = "" if found is not None else "\n".join(done.stderr.strip().splitlines()[-LAST_LINES:])
    return Told(found, error or f"exit code {done.returncode}", done.stdout)


def answer() -> None:
    """The other end: read the request, compute the reply, write it. What is printed on the way stays on stdout."""
    _, name, reply = sys.argv
    computed = pkgutil.resolve_name(name)(json.load(sys.stdin))
    Path(reply).write_text(json.dumps(computed), encoding="utf-8")
