"""Processes of `headstart` that begin where the imports are done: most of a run of seconds would be those.

They are forked by a server that has imported and computed nothing. It has one backend, so that a process of a rig can
have only one as well.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import forkserver, get_context
from pathlib import Path

IMPORTED = ("keras", "sklearn.datasets", "headstart_cli.main", "headstart.runs.fitting")
SETTLED = ("KERAS_BACKEND", "JAX_COMPILATION_CACHE_DIR", "OMP_NUM_THREADS")
"""Variables that are read when the backend is imported."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, negative for a signal, and what it said."""

    code: int
    out: str
    err: str = field(repr=False)

    @property
    def last_words(self) -> str:
        """The end of what it said on stderr."""
        return f"exit code {self.code}: {self.err.strip()[-600:]}"


def run_warm(arguments: Sequence[str], variables: Mapping[str, str], path: Sequence[str], limit: float) -> Ended:
    """`headstart ARGUMENTS` with these variables and `path` before the others; killed after `limit` seconds."""
    _ensure_server({name: variables[name] for name in SETTLED})
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        said = (Path(folder, "out"), Path(folder, "err"))
        process = get_context("forkserver").Process(target=_run, args=(arguments, dict(variables), path, said))
        process.start()
        process.join(limit)
        late = process.exitcode is None
        if late:
            process.kill()
            process.join()
        out, err = (each.read_text(encoding="utf-8") if each.exists() else "" for each in said)
        assert process.exitcode is not None
        return Ended(-999, out, f"still there after {limit} s; {err}") if late else Ended(process.exitcode, out, err)


_served: dict[str, str] = {}


def _ensure_server(settled: dict[str, str]) -> None:
    if _served and _served != settled:
        raise ValueError(f"this process has runs with {_served}; {settled} need one of their own")
    _served.update(settled)
    get_context("forkserver").set_forkserver_preload(list(IMPORTED))
    with _environment(settled):
        forkserver.ensure_running()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run(arguments: Sequence[str], variables: Mapping[str, str], path: Sequence[str], said: Sequence[Path]) -> None:
    """In the new process: what `headstart` does, with stdout and stderr in files."""
    for number, file in enumerate(said, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.environ.update(variables)
    sys.path[:0] = path
    sys.argv = ["headstart", *arguments]
    from headstart_cli.main import run

    run()
