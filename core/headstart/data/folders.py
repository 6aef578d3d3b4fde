"""Walking a user's folder: sorted, hidden entries left out and listed, links that leave it or loop
refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from headstart.errors import DataError

LITTER = frozenset({"__MACOSX"})
"""What systems leave in people's folders and archives."""


@dataclass(frozen=True)
class Walk:
    """What lies below a folder: `files` sorted by path, and `hidden` entries (see `is_hidden`), not
    entered."""

    files: tuple[Path, ...]
    hidden: tuple[Path, ...]


def is_hidden(name: str) -> bool:
    """Whether what is called so is left out: it begins with a dot, or is LITTER."""
    return name.startswith(".") or name in LITTER


def walk(root: Path, *, within: Path | None = None) -> Walk:
    """Every regular file below `root`, recursively; links may stay within `within`, which is `root` if not
    given.

    Raises DataError naming a symbolic link that leaves it, points to a folder (which could loop or list
    the same files twice) or to nothing, and a folder that cannot be read.
    """
    home = (within or root).resolve()
    files: list[Path] = []
    hidden: list[Path] = []

    def enter(folder: Path) -> None:
        for entry in _entries(folder, home, hidden):
            if entry.is_dir():
                enter(entry)
            elif entry.is_file():
                files.append(entry)

    enter(root)
    by_parts = attrgetter("parts")
    return Walk(tuple(sorted(files, key=by_parts)), tuple(sorted(hidden, key=by_parts)))


def subfolders(folder: Path, *, within: Path | None = None) -> tuple[Path, ...]:
    """The folders directly in `folder`, sorted; hidden ones are left out, links as in `walk`."""
    entries = _entries(folder, (within or folder).resolve(), hidden=[])
    return tuple(entry for entry in entries if entry.is_dir())


def _entries(folder: Path, home: Path, hidden: list[Path]) -> Iterator[Path]:
    """What lies in `folder`, sorted by name; entries that are hidden are added to `hidden` instead."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as exc:
        raise DataError(f"{folder}: cannot be listed: {exc.strerror or exc}") from exc
    for name in names:
        entry = folder / name
        if is_hidden(name):
            hidden.append(entry)
            continue
        if entry.is_symlink():
            _check_link(entry, home)
        yield entry


def _check_link(link: Path, home: Path) -> None:
    hint = "copy the files to where the link is, or list them in a manifest (path, label)"
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError) as exc:  # RuntimeError: a link that leads to itself, before Python 3.13
        raise DataError(f"{link}: symbolic link that leads to nothing or to itself", hint=hint) from exc
    if target.is_dir():
        raise DataError(f"{link}: symbolic link to a folder ({target}); such links can loop", hint=hint)
    if not target.is_relative_to(home):
        raise DataError(f"{link}: symbolic link that leaves {home} (to {target})", hint=hint)
