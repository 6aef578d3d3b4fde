"""What a disk holds after the power failed, from the calls that a process had made until then.

POSIX promises what was fsynced and nothing else: a file's bytes by its own fsync, a name by that of the folder it
stands in. What else survived is up to the file system, so that three of them are played: one that keeps only what
it must; one that keeps every name and no bytes that were not fsynced, as files of length 0 are known from ext4; and one
that keeps each name or each file's bytes by a throw of dice.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rig.calls import Call

Survives = Callable[[str], bool]
"""Whether something not fsynced survives: a `name` or `bytes`."""


@dataclass
class File:
    """A file's bytes as they are and as they are on the platters."""

    now: bytearray = field(default_factory=bytearray)
    kept: bytes = b""


@dataclass
class Folder:
    """A folder's names as they are and as they are on the platters."""

    now: dict[str, File | Folder] = field(default_factory=dict)
    kept: dict[str, File | Folder] = field(default_factory=dict)


class Disk:
    """Plays calls below an empty folder that is itself safe."""

    def __init__(self) -> None:
        self.root = Folder()

    def play(self, call: Call) -> None:
        """One call, as the running system sees it."""
        above, name = self._place(call.path)
        if call.kind == "create":
            above.now.setdefault(name, File())
        elif call.kind == "mkdir":
            above.now.setdefault(name, Folder())
        elif call.kind in ("unlink", "rmdir"):
            above.now.pop(name, None)
        elif call.kind == "rename":
            other, new = self._place(call.to or "")
            other.now[new] = above.now.pop(name)
        else:
            self._change(call, self._node(call.path))

    @staticmethod
    def _change(call: Call, node: File | Folder) -> None:
        if isinstance(node, Folder):
            node.kept = dict(node.now)
        elif call.kind == "fsync":
            node.kept = bytes(node.now)
        elif call.kind == "truncate":
            del node.now[call.offset :]
        else:
            node.now[call.offset : call.offset + len(call.data)] = call.data

    def _node(self, path: str) -> File | Folder:
        if path == ".":
            return self.root
        above, name = self._place(path)
        return above.now[name]

    def _place(self, path: str) -> tuple[Folder, str]:
        folder = self.root
        *above, name = path.split(os.sep)
        for part in above:
            inner = folder.now[part]
            assert isinstance(inner, Folder)
            folder = inner
        return folder, name


def only_what_must(what: str) -> bool:
    """A disk that keeps only what was fsynced."""
    return False


def names_first(what: str) -> bool:
    """A disk that keeps every name at once, and bytes by fsync alone."""
    return what == "name"


def by_dice(seed: int) -> Survives:
    """A disk that keeps each of them or not."""
    draw = random.Random(seed)
    return lambda what: draw.random() < 0.5


def write_survivors(folder: Folder, survives: Survives, to: Path) -> None:
    """What is left after the loss, as folders and files below `to`."""
    to.mkdir()
    names = dict(folder.kept)
    for name in folder.now.keys() | folder.kept.keys():
        if folder.now.get(name) is not folder.kept.get(name) and survives("name"):
            if name in folder.now:
                names[name] = folder.now[name]
            else:
                names.pop(name, None)
    for name, node in names.items():
        if isinstance(node, Folder):
            write_survivors(node, survives, to / name)
        else:
            (to / name).write_bytes(bytes(node.now) if survives("bytes") else node.kept)


def disk_after(calls: Sequence[Call]) -> Disk:
    """A disk after `calls`."""
    disk = Disk()
    for call in calls:
        disk.play(call)
    return disk
