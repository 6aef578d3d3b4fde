"""Directories and files that are there complete or not at all, also after a crash or a loss of power.

A directory is written beside its place, every file fsynced, the manifest last, the directory fsynced, renamed once, and
the parent fsynced. A reader that finds the manifest finds everything.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.errors import HeadstartError


def write_directory(target: Path, fill: Callable[[Path], None]) -> None:
    """Create `target` from what `fill` writes into an empty folder beside it. An existing `target` is an error.

    Raises HeadstartError naming the path and the reason where the disk is full or permission is missing; then
    nothing is left behind.
    """
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        sibling = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            fill(sibling)
            for path in _files_first(sibling):
                _fsync(path)
            sibling.chmod(0o755)
            os.rename(sibling, target)
            _fsync(target.parent)
        except BaseException:
            shutil.rmtree(sibling, ignore_errors=True)
            raise


def write_file(target: Path, content: bytes) -> None:
    """Write `content` to `target` in one step: a reader sees the old file or the new one, whole."""
    with explained(target):
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, target)
            _fsync(target.parent)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextmanager
def explained(target: Path) -> Iterator[None]:
    """Turn an OSError into the error a user can act on: the path and the system's reason."""
    try:
        yield
    except OSError as exc:
        raise HeadstartError(
            f"cannot write {target}: {exc.strerror or exc}",
            hint="free some space or choose another folder with --out",
        ) from exc


def _files_first(folder: Path) -> Iterator[Path]:
    manifest = folder / "manifest.json"
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and path != manifest)
    if manifest.exists():
        yield manifest
    yield from sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
    yield folder


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
