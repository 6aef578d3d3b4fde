"""The folders of the cache: which are ours, how large they are, and how they are removed.

One that is removed is hidden by one rename first, so that nobody sees a part of it.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.atomic import remove_unnamed
from headstart.documents import read_object
from headstart.errors import DataError, HeadstartError
from headstart.manifest import LARGEST_MANIFEST, MANIFEST, SEAL

COMPILED = "jax"
"""The folder that JAX keeps its compiled programs in; it removes none, and we remove all of them or none."""
KIND = re.compile(r"[a-z][a-z0-9_-]*")

_DIGEST = re.compile(r"[0-9a-f]{32}")
_HIDDEN = re.compile(rf"\.(?:[0-9a-f]{{32}}|{COMPILED})\.[0-9a-f]{{32}}(?P<removed>\.removed)?")


@dataclass(frozen=True)
class Entry:
    """One thing in the cache. `size` is in bytes, `used` in seconds since the epoch."""

    kind: str
    digest: str
    path: Path
    size: int
    used: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the entry is called in listings; compiled programs are one entry without a digest."""
        return f"{self.kind}/{self.digest}" if self.digest else self.kind

    @property
    def is_leftover(self) -> bool:
        """Whether this is a part that a writer or remover has left."""
        return self.digest.startswith(".")


def find_kinds(root: Path) -> list[str]:
    """The kinds that `root` has folders for. Raises HeadstartError where `root` is there and cannot be read."""
    try:
        return sorted(path.name for path in root.iterdir() if KIND.fullmatch(path.name) and path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise HeadstartError(
            f"cannot read the cache {root}: {exc.strerror or exc}", hint="set HEADSTART_CACHE to a folder"
        ) from exc


def find_entries(root: Path) -> Iterator[Entry]:
    """Everything complete below `root`, in no order. Folders of other programs are passed over."""
    for kind in find_kinds(root):
        if kind == COMPILED:
            if files := list(_files(root / kind)):
                size = sum(facts.st_size for facts in files)
                yield Entry(COMPILED, "", root / kind, size, max(facts.st_mtime for facts in files))
            continue
        for path in _folders(root / kind):
            if _DIGEST.fullmatch(path.name) and (path / MANIFEST).is_file():
                yield from _measured(kind, path.name, path, _read_facts(path / MANIFEST))


def find_leftovers(root: Path, *, older_than: float = 0) -> Iterator[Entry]:
    """What writers and removers that were killed have left, last changed `older_than` seconds ago or before.

    Without `older_than` that includes what a living process is just writing. What was already being removed is
    given whatever its age.
    """
    latest = time.time() - older_than
    for folder in (root, *(root / kind for kind in find_kinds(root))):
        kind = COMPILED if folder == root else folder.name
        for path in _folders(folder):
            match = _HIDDEN.fullmatch(path.name)
            if match and (match["removed"] or _last_change(path) <= latest):
                yield from _measured(kind, path.name, path, {})


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _measured(kind: str, digest: str, path: Path, facts: Mapping[str, Any]) -> Iterator[Entry]:
    with suppress(FileNotFoundError):  # removed by another process
        used = path.stat().st_mtime
        yield Entry(kind, digest, path, sum(each.st_size for each in _files(path)), used, facts)


def _files(folder: Path) -> Iterator[os.stat_result]:
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                yield os.lstat(os.path.join(parent, name))


def _last_change(folder: Path) -> float:
    with suppress(OSError):
        return max([folder.stat().st_mtime, *(facts.st_mtime for facts in _files(folder))])
    return time.time()


def _read_facts(path: Path) -> dict[str, Any]:
    """What stands in a manifest, unverified; empty where it is damaged: then it can be listed and removed still."""
    with suppress(DataError):
        document = read_object(path, LARGEST_MANIFEST)
        return {key: value for key, value in document.items() if key not in ("schema", "files", SEAL)}
    return {}


def remove_entry(entry: Entry) -> bool:
    """Remove an entry or a leftover; False where another process was faster. Raises as `discard` does."""
    if not discard(entry.path):
        return False
    if entry.kind == COMPILED and not entry.is_leftover:
        entry.path.mkdir(exist_ok=True)  # a process that compiles now can still write there
    return True


def discard(path: Path) -> bool:
    """Take the name from what `path` is, then remove it; False where another process was faster.

    Raises HeadstartError where it may not be removed.
    """
    hidden = (
        path
        if path.name.endswith(".removed")
        else path.with_name(f".{path.name.lstrip('.')[:32].partition('.')[0]}.{uuid.uuid4().hex}.removed")
    )
    try:
        if hidden != path:
            os.rename(path, hidden)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise HeadstartError(f"cannot remove {path}: {exc.strerror or exc}") from exc
    remove_unnamed(hidden)
    return True
