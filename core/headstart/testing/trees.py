"""What lies below a folder, so that a change can be seen; and a place where a test may let foreign code run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path


def tree_of(root: Path) -> dict[str, str]:
    """{path below `root`: digest of content, mode and time of change} of every file, links included."""
    if root.is_file():
        return {root.name: _fingerprint(root)}
    return {
        path.relative_to(root).as_posix(): _fingerprint(path)
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The paths that are new, gone or altered, each with which of these."""
    found = [f"{path} (new)" for path in after if path not in before]
    found += [f"{path} (gone)" for path in before if path not in after]
    found += [f"{path} (altered)" for path in after if before.get(path, after[path]) != after[path]]
    return sorted(found)


def _fingerprint(path: Path) -> str:
    state = path.lstat()
    content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
    return f"{hashlib.sha256(content).hexdigest()} {state.st_mode} {state.st_mtime_ns}"


@contextlib.contextmanager
def own_place() -> Iterator[Path]:
    """Work in an empty temporary folder while open, and give it."""
    with tempfile.TemporaryDirectory(prefix="headstart-") as folder, contextlib.chdir(folder):
        yield Path(folder).resolve()
