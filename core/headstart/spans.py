"""What takes the time of a process: named spans, told to a file as they end. Imports no framework.

With the variable HEADSTART_SPANS every process that inherits it appends a line for each span to the file of that name;
without it a span does nothing. A span within another one is part of it: `exclusive` takes it out again.
"""

from __future__ import annotations

import importlib
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

VARIABLE = "HEADSTART_SPANS"
IMPORTS = "imports"
SHORT = 0.0005
"""Seconds below which an import is not told."""


@dataclass(frozen=True)
class Span:
    """What a thread of a process did from `started` to `ended`, in seconds of the clock that all processes share;
    `busy` are the processor seconds of the whole process in that time."""

    name: str
    process: int
    thread: str
    started: float
    ended: float
    busy: float


@dataclass(frozen=True)
class Taken:
    """Seconds by the clock, and processor seconds of all threads of the process."""

    wall: float
    busy: float


@contextmanager
def span(name: str) -> Iterator[None]:
    """Tell of the block as `name`; decorates a function too."""
    file = os.environ.get(VARIABLE)
    if not file:
        yield
        return
    started = time.monotonic(), time.process_time()
    try:
        yield
    finally:
        _tell(file, name, *started)


def _tell(file: str, name: str, started: float, busy: float) -> None:
    thread, busy = threading.current_thread().name, time.process_time() - busy
    told = Span(name, os.getpid(), thread, started, time.monotonic(), busy)
    written = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(written, f"{json.dumps(astuple(told))}\n".encode())  # in one call, so that lines do not mix
    finally:
        os.close(written)


def watch_imports() -> None:
    """From here on, tell of each import that runs a module, and within no other import; nothing without the variable.

    It is for a process that is measured: what Python calls to find and run a module is replaced.
    """
    if not os.environ.get(VARIABLE):
        return
    bootstrap: Any = importlib._bootstrap  # type: ignore[attr-defined]
    found, within = bootstrap._find_and_load, threading.local()

    def watched(*arguments: Any) -> Any:
        if getattr(within, "any", False):
            return found(*arguments)
        within.any, started = True, (time.monotonic(), time.process_time())
        try:
            return found(*arguments)
        finally:
            within.any = False
            if time.monotonic() - started[0] > SHORT:
                _tell(os.environ[VARIABLE], IMPORTS, *started)

    bootstrap._find_and_load = watched


def read_spans(file: Path) -> list[Span]:
    """All that was told to `file`, in the order of its end; none where there is no file."""
    if not file.exists():
        return []
    return [Span(*json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def exclusive(spans: Iterable[Span]) -> dict[str, Taken]:
    """What the spans of one thread took by name, each without those within it, in the order in which they began."""
    sums: dict[str, Taken] = {}
    around: list[Span] = []

    def add(name: str, wall: float, busy: float) -> None:
        before = sums.get(name, Taken(0.0, 0.0))
        sums[name] = Taken(before.wall + wall, before.busy + busy)

    for each in sorted(spans, key=lambda span: (span.started, -span.ended)):
        while around and around[-1].ended <= each.started:
            around.pop()
        if around:
            add(around[-1].name, each.started - each.ended, -each.busy)
        add(each.name, each.ended - each.started, each.busy)
        around.append(each)
    return sums
