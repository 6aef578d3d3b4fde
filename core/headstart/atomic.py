"""Directories and files that are there complete or not at all, also after a crash or a loss of power.

A directory is written beside its place, every file fsynced, the manifest last, the directory fsynced, renamed once, and
the parent fsynced. A reader that finds the manifest finds everything. If an fsync fails, that attempt is abandoned: the
kernel may have dropped the pages, so that a second fsync of the same file could succeed and prove nothing.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from headstart.errors import HeadstartError

FOR_RUNS = "free some space or choose another folder with --out"
"""What to do where a run, or what belongs to one, cannot be written."""

_SIBLING = re.compile(r"\..+\.[0-9a-f]{32}", re.DOTALL)


def write_directory(target: Path, fill: Callable[[Path], None], *, hint: str = FOR_RUNS, replace: bool = False) -> None:
    """Create `target` from what `fill` writes into an empty folder beside it. An existing `target` is an error, or with
    `replace` stays until the new one is whole: a kill at any moment leaves the old one, none or the new one.

    Raises HeadstartError naming the path and the reason where the disk is full or permission is missing; then
    nothing is left behind, and a `target` that was to be replaced is as it was.
    """
    with explained(target, hint):
        make_folders(target.parent)
        if target.exists() and not replace:
            raise HeadstartError(f"cannot write {target}: it is there already", hint="choose another folder")
        sibling = _sibling(target)
        try:
            sibling.mkdir()
            with _named_for_the_user(sibling, target):
                fill(sibling)
            for path in _files_first(sibling):
                _fsync(path)
            with _giving_way(target) if replace else nullcontext():
                os.rename(sibling, target)
                try:
                    _fsync(target.parent)
                except BaseException:
                    with suppress(OSError):  # the error that is on its way matters more
                        remove_directory(target)
                    raise
        except BaseException:
            shutil.rmtree(sibling, ignore_errors=True)
            raise


def write_file(target: Path, content: bytes) -> None:
    """Write `content` to `target` in one step: a reader sees the old file or the new one, whole.

    Raises HeadstartError where that fails, and where `target` is there and no regular file: a device or a pipe would
    be replaced, not written to.
    """
    with opened(target) as file, explained(target):
        file.write(content)


@contextmanager
def opened(target: Path, *, hint: str = FOR_RUNS) -> Iterator[BinaryIO]:
    """As `write_file`, for content that comes piece by piece: what is written into the file has the name `target` once
    the block has ended without an error. What writing into it raises is the caller's to explain."""
    if target.exists() and not target.is_file():
        raise HeadstartError(f"cannot write {target}: it is no regular file", hint="name a file, or a new one")
    sibling = _sibling(target)
    try:
        with explained(target, hint):
            file = sibling.open("xb")
        with file:
            yield file
            with explained(target, hint):
                file.flush()
                os.fsync(file.fileno())
        with explained(target, hint):
            os.replace(sibling, target)
            _fsync(target.parent)
    except BaseException:
        with suppress(OSError):  # the error that is on its way matters more
            sibling.unlink(missing_ok=True)
        raise


def make_folders(folder: Path) -> None:
    """Create `folder` and the parents it lacks, each made durable: its name is fsynced in the folder above it.

    Raises OSError as `Path.mkdir` does; its reason names what is in the way: a file, a link that leads nowhere, a
    working folder that is gone.
    """
    for each in reversed((folder, *folder.parents)):
        if each.is_dir():
            continue
        try:
            make_folder(each)
        except FileExistsError as exc:
            if each.is_symlink() and not each.exists():
                reason = f"{each} is a link to {os.readlink(each)}, which is not there"
                raise FileNotFoundError(errno.ENOENT, reason, str(each)) from exc
            if not each.is_dir():  # another process may have been faster
                raise NotADirectoryError(errno.ENOTDIR, f"{each} is no folder", str(each)) from exc
        except FileNotFoundError as exc:
            if each.is_absolute() or os.stat(os.path.curdir).st_nlink > 0:
                raise
            raise FileNotFoundError(exc.errno, "the working folder is not there any more", str(each)) from exc


def make_folder(folder: Path) -> None:
    """Create `folder`, its name made durable in the folder above it, which is there. Raises OSError as `Path.mkdir`."""
    folder.mkdir()
    _fsync(folder.parent)


def remove_directory(folder: Path) -> None:
    """Remove `folder` so that a kill at any moment leaves it complete or absent: its name is taken from it first.

    What could not be removed stays under a hidden name, for `remove_leftovers`. Raises OSError where the name cannot
    be taken, FileNotFoundError where nothing is there.
    """
    hidden = _sibling(folder)
    os.rename(folder, hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def remove_leftovers(folder: Path) -> list[str]:
    """Remove what writers and removers that were killed have left in `folder`; the names, sorted.

    Call it only while nobody else writes there: what is being written just now looks the same.
    """
    found = sorted(path.name for path in folder.iterdir() if _SIBLING.fullmatch(path.name)) if folder.is_dir() else []
    for name in found:
        remove_unnamed(folder / name)
    return found


def is_leftover(path: Path, target: Path) -> bool:
    """Whether a writer of `target` that was killed leaves such a `path` beside it."""
    return _SIBLING.fullmatch(path.name) is not None and path.stem == _sibling(target).stem


@contextmanager
def _giving_way(target: Path) -> Iterator[None]:
    """Take the name from a `target` that is there while another gets it; where that fails, the old one has it again."""
    if not os.path.lexists(target):
        yield
        return
    old = _sibling(target)
    os.rename(target, old)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # the error that is on its way matters more
            os.rename(old, target)
        raise
    remove_unnamed(old)


def remove_unnamed(path: Path) -> None:
    """Remove what has a name that nobody looks for: what cannot be removed, or is being removed by another process, is
    in no one's way."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


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


@contextmanager
def _named_for_the_user(sibling: Path, target: Path) -> Iterator[None]:
    """An error that names a file below `sibling`, which is gone by then, names its place below `target` instead."""
    try:
        yield
    except HeadstartError as exc:
        exc.message = exc.message.replace(str(sibling), str(target))
        exc.args = (exc.message,)
        raise


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
