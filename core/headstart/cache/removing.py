"""How entries are removed: hidden by one rename first, so that nobody sees a part of one."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from headstart.cache.folders import COMPILED, Entry, find_entries, find_leftovers
from headstart.errors import HeadstartError

DAY = 24 * 3600


def remove_oldest(root: Path, limit: int, keep: Path | None = None) -> list[Entry]:
    """Remove the least recently used entries, never `keep`, until the rest has at most `limit` bytes, and leftovers."""
    removed = [entry for entry in _stale(root, None) if _remove(entry)]
    entries = sorted((entry for entry in find_entries(root) if entry.kind != COMPILED), key=lambda entry: entry.used)
    total = sum(entry.size for entry in entries)
    for entry in entries:
        if total <= limit:
            break
        if entry.path != keep:
            total -= entry.size
            removed += [entry] if _remove(entry) else []
    return removed


def remove_all(root: Path, kind: str | None) -> list[Entry]:
    """Remove every entry and every leftover, or those of one kind."""
    wanted = [entry for entry in find_entries(root) if kind in (None, entry.kind)]
    return [entry for entry in (*wanted, *_stale(root, kind)) if _remove(entry)]


def _stale(root: Path, kind: str | None) -> Iterator[Entry]:
    return (entry for entry in find_leftovers(root, older_than=DAY) if kind in (None, entry.kind))


def _remove(entry: Entry) -> bool:
    if not discard(entry.path):
        return False
    if entry.kind == COMPILED and not entry.is_leftover:
        entry.path.mkdir(exist_ok=True)  # a process that compiles now can still write there
    return True


def discard(path: Path) -> bool:
    """Take the name from what `path` is, then remove it; False where another process was faster.

    Raises HeadstartError where it may not be removed.
    """
    hidden = path if path.name.endswith(".removed") else path.with_name(_hidden_name(path.name))
    try:
        if hidden != path:
            os.rename(path, hidden)
        _remove_tree(hidden)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise HeadstartError(f"cannot remove {path}: {exc.strerror or exc}") from exc
    return True


def _hidden_name(name: str) -> str:
    return f".{name.lstrip('.')[:32].partition('.')[0]}.{uuid.uuid4().hex}.removed"


def _remove_tree(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)  # another process may be removing it as well
    else:
        path.unlink()
