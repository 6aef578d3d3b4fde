"""Directories and files that are there complete or not at all, also after a crash or a loss of power.

A directory is written beside its place, every file fsynced, the manifest last, the directory fsynced, renamed once, and
the parent fsynced. A reader that finds the manifest finds everything.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.errors import HeadstartError

FOR_RUNS = "free some space or choose another folder with --out"
"""What to do where a run, or what belongs to one, cannot be written."""


def write_directory(target: Path, fill: Callable[[Path], None], *, hint: str = FOR_RUNS) -> None:
    """Create `target` from what `fill` writes into an empty folder beside it. An existing `target` is an error.

    Raises HeadstartError naming the path and the reason where the disk is full or permission is missing; then
    nothing is left behind.
    """
    with explained(target, hint):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise HeadstartError(f"cannot write {target}: it is there already", hint="choose another folder")
        sibling = _sibling(target)
        place = sibling
        try:
            sibling.mkdir()
            fill(sibling)
            for path in _files_first(sibling):
                _fsync(path)
            os.rename(sibling, target)
            place = target
            _fsync(target.parent)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise


def write_file(target: Path, content: bytes) -> None:
    """Write `content` to `target` in one step: a reader sees the old file or the new one, whole.

    Raises HeadstartError where that fails, and where `target` is there and no regular file: a device or a pipe would
    be replaced, not written to.
    """
    if target.exists() and not target.is_file():
        raise HeadstartError(f"cannot write {target}: it is no regular file", hint="name a file, or a new one")
    with explained(target):
        sibling = _sibling(target)
        try:
            with sibling.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(sibling, target)
            _fsync(target.parent)
        except BaseException:
            sibling.unlink(missing_ok=True)
            raise


def _sibling(target: Path) -> Path:
    """A free name beside `target`; made with the permissions that the user's umask gives, unlike tempfile's."""
    return target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}")


@contextmanager
def explained(target: Path, hint: str = FOR_RUNS) -> Iterator[None]:
    """Turn an OSError into the error a user can act on: the path and the system's reason."""
    try:
        yield
    except OSError as exc:
        raise HeadstartError(
            f"cannot write {target}: {exc.strerror or exc}",
            hint=hint,
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
