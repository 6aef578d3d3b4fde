"""Tell a reporter a whole run in a process and a home folder of its own, and see what it left where."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from headstart.backend import VARIABLE, installed_backends
from headstart.testing.fresh_process import run_fresh
from headstart.testing.reporters.recorded_run import RecordedRun

HOMES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HEADSTART_HOME")


@dataclass(frozen=True)
class Telling:
    """What one reporter did: files it `created` in the run's folder, files of the run that it `altered`, files
    `elsewhere`, frameworks it `loaded`, what it printed, and what it raised.
    """

    created: tuple[str, ...]
    altered: tuple[str, ...]
    elsewhere: tuple[str, ...]
    loaded: tuple[str, ...]
    stdout: str
    error: str | None


def tell_alone(name: str, options_in: Callable[[Path], Mapping[str, Any]]) -> Telling:
    """Tell the reporter `name` a live run; `options_in` gets a folder outside the run's where anything may be put."""
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        root = Path(place).resolve()
        run, untouched = root / "run", root / "untouched"
        free, home, work = (_made(root / part) for part in ("free", "home", "work"))
        request = {"name": name, "options": dict(options_in(free)), "folder": str(run)}
        homes = {variable: str(home / variable) for variable in HOMES}
        # A reporter is told in a process that has chosen its backend, so that importing Keras would not fail there.
        environment = {**homes, **_caches(), "HOME": str(home), VARIABLE: next(iter(installed_backends()), "")}
        told = run_fresh("headstart.testing.reporters.telling", request, folder=work, environment=environment)
        RecordedRun(untouched).happen([])
        there, expected = contents(run), contents(untouched)
        reply = told.reply or {"loaded": (), "error": told.error}
        return Telling(
            created=tuple(path for path in there if path not in expected),
            altered=tuple(path for path, digest in expected.items() if there.get(path) != digest),
            elsewhere=tuple(f"{part.name}/{path}" for part in (home, work) for path in contents(part)),
            loaded=tuple(reply["loaded"]),
            stdout=told.stdout,
            error=reply["error"],
        )


def contents(root: Path) -> dict[str, str]:
    """{path below `root`: SHA-256} of every file."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@lru_cache(maxsize=1)
def _caches() -> dict[str, str]:
    """Where libraries keep what they can compute again (matplotlib: which fonts there are); once a process."""
    folder = tempfile.mkdtemp(prefix="headstart-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {"XDG_CACHE_HOME": folder, "MPLCONFIGDIR": f"{folder}/matplotlib", "HEADSTART_CACHE": folder}
