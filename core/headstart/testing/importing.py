"""In a fresh process: import a plugin's module and call its `register_*` hooks; tell which frameworks that loads.

`python -m headstart.testing.importing`, told the plugin's name and its entry point's value; with `target` too, only the
module of that build target is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, cast

from headstart.host.discovery import GROUP
from headstart.host.guard import FORBIDDEN, describe
from headstart.host.verification import KINDS
from headstart.registry import verify_hooks
from headstart.testing.fresh_process import answer


def declare(request: Mapping[str, str]) -> dict[str, Any]:
    """{"loaded": {framework: the line that imports it}, "error": what the plugin raised, or None}."""
    with _watching() as loaded:
        try:
            if "target" in request:
                importlib.import_module(request["target"].partition(":")[0])
            else:
                _declare(EntryPoint(request["plugin"], request["value"], GROUP), request["plugin"])
        except BaseException as exc:  # SystemExit too: it is the plugin's
            return {"loaded": loaded, "error": describe(exc)}
    return {"loaded": loaded, "error": None}


def _declare(point: EntryPoint, plugin: str) -> None:
    hooks = verify_hooks(point.load(), plugin)
    for kind in KINDS:
        if hook := hooks.get(f"register_{kind}"):
            tuple(cast("Iterable[object]", hook.function()))


@contextlib.contextmanager
def _watching() -> Iterator[dict[str, str]]:
    watcher = _Watcher()
    sys.meta_path.insert(0, watcher)
    try:
        yield watcher.seen
    finally:
        sys.meta_path.remove(watcher)


class _Watcher:
    """Finds nothing itself; notes the first line of code that asks for each framework."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name in FORBIDDEN and name not in self.seen:
            self.seen[name] = _importing_line(sys._getframe(1))


def _importing_line(frame: FrameType | None) -> str:
    """File and line of the innermost frame that is no part of the import system."""
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename)}, line {frame.f_lineno}" if frame else "an unknown line"


if __name__ == "__main__":
    answer(declare)
