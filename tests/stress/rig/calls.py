"""Every call of the file system below one folder, as this process makes it: heard before it happens.

Python's own functions are replaced, so that the process can be killed before any chosen call, or the call be refused.
What C code writes by itself would not be heard; strace, where it is installed, is asked whether there is any of it.
"""

from __future__ import annotations

import builtins
import io
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REAL = {
    name: getattr(os, name)
    for name in ("open", "fsync", "rename", "replace", "mkdir", "unlink", "remove", "rmdir", "truncate", "ftruncate",
                 "write", "pwrite")
}  # fmt: skip
REAL_OPEN = io.open


@dataclass(frozen=True)
class Call:
    """One call: its kind, the path below the folder, the new path of a rename, and what is written where."""

    kind: str
    path: str
    to: str | None = None
    data: bytes = b""
    offset: int = 0
    file: bool = True


Heard = Callable[[Call], None]


class Calls:
    """Use as a context manager: inside, `heard` hears of each call below `root` before it is made; it may raise."""

    def __init__(self, root: Path, heard: Heard) -> None:
        self._root = os.path.realpath(root)
        self._heard = heard

    def __enter__(self) -> Calls:
        os.open, os.fsync = self._open, self._fsync
        os.rename = os.replace = self._rename
        os.mkdir, os.rmdir = self._named("mkdir"), self._named("rmdir")
        os.unlink = os.remove = self._named("unlink")
        os.write, os.pwrite, os.ftruncate = self._write, self._pwrite, self._ftruncate
        builtins.open = io.open = self._open_file
        return self

    def __exit__(self, *anything: object) -> None:
        for name, function in REAL.items():
            setattr(os, name, function)
        builtins.open = io.open = REAL_OPEN

    def tell(self, kind: str, path: str | None, **more: Any) -> None:
        """Tell of a call if it is below the folder."""
        if path is not None:
            self._heard(Call(kind, path, **more))

    def below(self, path: Any, dir_fd: int | None = None) -> str | None:
        """The path as seen from the folder; None where it is outside."""
        if isinstance(path, int):
            full = os.readlink(f"/proc/self/fd/{path}")
        else:
            above = os.getcwd() if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}")
            full = os.path.normpath(os.path.join(above, os.fspath(path)))
        inside = full == self._root or full.startswith(self._root + os.sep)
        return os.path.relpath(full, self._root) if inside else None

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            self.tell("create", self.below(path, dir_fd))
        return REAL["open"](path, flags, mode, dir_fd=dir_fd)

    def _open_file(self, file: Any, mode: str = "r", buffering: int = -1, *more: Any, **named: Any) -> Any:
        path = None if isinstance(file, int) else self.below(file)
        if path is None or not set(mode) & set("wxa+"):
            return REAL_OPEN(file, mode, buffering, *more, **named)
        self.tell("create", path)
        if "w" in mode and os.path.exists(file):
            self.tell("truncate", path)
        raw = _Raw(file, mode.replace("b", "").replace("t", ""), self)
        buffered = io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *more, **named)

    def _fsync(self, descriptor: int) -> None:
        path = self.below(descriptor)
        self.tell("fsync", path, file=path is None or not os.path.isdir(os.path.join(self._root, path)))
        REAL["fsync"](descriptor)

    def _rename(self, old: Any, new: Any, **more: Any) -> None:
        self.tell("rename", self.below(old), to=self.below(new))
        REAL["replace"](old, new, **more)

    def _named(self, kind: str) -> Callable[..., None]:
        def call(path: Any, *more: Any, dir_fd: int | None = None) -> None:
            self.tell(kind, self.below(path, dir_fd))
            REAL[kind](path, *more, dir_fd=dir_fd)

        return call

    def _write(self, descriptor: int, data: Any) -> int:
        if descriptor > 2:
            self.tell("write", self.below(descriptor), data=bytes(data), offset=os.lseek(descriptor, 0, os.SEEK_CUR))
        return REAL["write"](descriptor, data)

    def _pwrite(self, descriptor: int, data: Any, offset: int) -> int:
        self.tell("write", self.below(descriptor), data=bytes(data), offset=offset)
        return REAL["pwrite"](descriptor, data, offset)

    def _ftruncate(self, descriptor: int, length: int) -> None:
        self.tell("truncate", self.below(descriptor), offset=length)
        REAL["ftruncate"](descriptor, length)


class _Raw(io.FileIO):
    """A file whose writes are told of, one by one as the buffer above makes them."""

    def __init__(self, file: Any, mode: str, calls: Calls) -> None:
        super().__init__(file, mode)
        self._calls, self._path = calls, calls.below(file)

    def write(self, data: Any) -> int:
        self._calls.tell("write", self._path, data=bytes(data), offset=self.tell())
        return super().write(data) or 0


def killer(root: Path, number: int) -> Heard:
    """Hears calls; kills this process before the `number`th, the first being 1, or with half of it written."""
    count = 0

    def heard(call: Call) -> None:
        nonlocal count
        count += 1
        if count == number:
            if call.kind == "write":
                with REAL_OPEN(root / call.path, "r+b") as file:
                    file.seek(call.offset)
                    file.write(call.data[: len(call.data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

    return heard


def failing(kind: str, cause: int, number: int) -> Heard:
    """Hears calls; the `number`th of `kind` fails for `cause`, and every one after it: a full disk stays full."""
    count = 0

    def heard(call: Call) -> None:
        nonlocal count
        count += call.kind == kind
        if call.kind == kind and count >= number:
            raise OSError(cause, os.strerror(cause))

    return heard
