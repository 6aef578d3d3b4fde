"""Whole processes under the clock: from start to end, imports and compilation included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PYTHON = Path(sys.executable)
HEADSTART = PYTHON.with_name("headstart")
HERE = Path(__file__).parent
OWN = ("KERAS", "HEADSTART", "JAX", "XLA", "PYTHON")
"""Variables that would change what runs; none of them reaches a measured process by accident."""


def environment(**more: str | Path) -> dict[str, str]:
    """This process' variables without those that steer Keras, JAX or headstart, and `more`."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    return {**bare, **{name: str(value) for name, value in more.items()}}


def timed(command: Sequence[str | Path], variables: Mapping[str, str]) -> tuple[float, dict[str, Any]]:
    """Seconds of one process, and the JSON document on the last line of its stdout, or in all of it.

    Stops the benchmark where the process fails.
    """
    started = time.perf_counter()
    done = subprocess.run(list(map(str, command)), env=variables, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"exit code {done.returncode}: {' '.join(map(str, command))}\n{done.stderr[-4000:]}")
    return wall, _document(done.stdout)


def _document(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except json.JSONDecodeError:
        return dict(json.loads(text.strip().splitlines()[-1]))
