"""Whether an entry is what was written: every byte is read once a process, later only what the file system knows."""

from __future__ import annotations

import os
from pathlib import Path

from headstart.errors import DataError, PluginError
from headstart.manifest import read_manifest

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size in bytes and time of change (ns) of everything in a folder. Writing to a file alters it."""

_verified: dict[Path, Fingerprint] = {}


def fingerprint(folder: Path) -> Fingerprint | None:
    """The fingerprint of `folder`; None where it is not there, cannot be read, or vanishes meanwhile."""
    try:
        os.listdir(folder)
        found = [(path.relative_to(folder).as_posix(), path.lstat()) for path in sorted(folder.rglob("*"))]
    except OSError:
        return None
    return tuple((name, facts.st_ino, facts.st_size, facts.st_ctime_ns) for name, facts in found)


def find_problem(folder: Path, known: Fingerprint, schema: str) -> Exception | None:
    """What is wrong with `folder`, whose fingerprint is `known`; an OSError where it cannot be read; None if whole."""
    if _verified.get(folder) == known:
        return None
    try:
        read_manifest(folder, schema=schema)
    except (DataError, PluginError, OSError) as exc:
        return exc
    _verified[folder] = known
    return None
