"""One run a folder: a lock that names its owner, and that the kernel frees when its owner dies.

`flock(2)` on `.lock` in the folder. The lock is the kernel's, the text in the file only tells who holds it: a process
that was killed leaves the text and no lock, and the next one takes over. The file is removed by its owner while still
locked, so that a process which opened it before may hold the lock of a file that is no longer there: after locking,
the name is compared with what was locked.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from headstart.atomic import explained
from headstart.errors import HeadstartError, UsageError

try:
    import fcntl
except ImportError:  # such as Windows, which cannot fsync a directory either
    fcntl = None  # type: ignore[assignment]  # asked for before it is used

LOCK = ".lock"
PATIENCE = 0.5
"""Seconds that a refused process waits for the owner's name: it is written just after the lock is taken."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock. `started` is local time, ISO 8601, to the second: when the folder was locked."""

    pid: int
    host: str
    command: str
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.started}: {self.command}"


@contextmanager
def locked(folder: Path) -> Iterator[str | None]:
    """Hold the lock of `folder`, which must exist, until the block ends. Gives who died with it before, in words, or
    None where nobody did.

    Raises UsageError naming the owner where another run holds it, or where the system has no such locks, and
    HeadstartError where the file cannot be written. A child process neither inherits the lock nor keeps it alive.
    """
    path = folder / LOCK
    if fcntl is None:
        raise UsageError(
            f"cannot lock {folder}: this system has no flock", hint="run on Linux or macOS; on Windows, in WSL"
        )
    with explained(path):
        descriptor = _lock(path)
    held = [descriptor]
    os.register_at_fork(after_in_child=lambda: _close(held))
    try:
        with explained(path):
            before = _read(path)
            _sign(descriptor)
        yield before
    finally:
        with suppress(OSError):
            if _is_named(path, descriptor):  # or the folder was removed and made again, and the file there is another's
                path.unlink()
        _close(held)


def _lock(path: Path) -> int:
    """The descriptor of `path`, locked, of which it is certain that `path` is still its name."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_named(path, descriptor):
                return descriptor
        except BlockingIOError as exc:
            os.close(descriptor)
            raise _refusal(path) from exc
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its owner removed it between our two calls


def _is_named(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _refusal(path: Path) -> HeadstartError:
    end = time.monotonic() + PATIENCE
    while not (owner := _read(path)) and time.monotonic() < end:
        time.sleep(0.02)
    return UsageError(
        f"{path.parent} is in use by another run ({owner or 'its owner has not said its name'})",
        hint="wait until it ends, or choose another folder with --out",
    )


def _read(path: Path) -> str | None:
    """Who signed `path`, in words; None where nobody has, or where what stands there is cut short."""
    try:
        return str(Owner(**json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        return None


def _sign(descriptor: int) -> None:
    """Put our name in place of the one before."""
    command = shlex.join(sys.argv)
    owner = Owner(os.getpid(), socket.gethostname(), command, datetime.now().isoformat(" ", "seconds"))
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, (json.dumps(asdict(owner)) + "\n").encode("utf-8"), 0)


def _close(held: list[int]) -> None:
    """Close what is held, once: in a forked child too, where it would keep the lock after its parent's death."""
    while held:
        os.close(held.pop())
