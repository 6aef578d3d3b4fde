"""Walking a user's folder: sorted; entries that are hidden, or that systems and tools keep, left out and listed;
links that leave it or loop refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Literal

from headstart.errors import DataError

Links = Literal["refuse", "follow"]
"""What becomes of symbolic links to folders, and to files outside."""
KEPT_BY_SYSTEMS = frozenset(
    {
        "__macosx",  # archives made on macOS
        "icon\r",
        "thumbs.db",  # Windows
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "lost+found",  # file systems of Linux
        "@eadir",  # network storage
        "#recycle",
        "#snapshot",
        "__pycache__",
    }
)
"""Names, in lower case, of what systems and tools put into folders beside what people keep in them. Most others
begin with a dot."""
HINT = "copy the files to where the link is, or list them in a manifest (path, label)"


class LinkRefused(DataError):
    """A symbolic link that would be followed where links are."""


@dataclass(frozen=True)
class Walk:
    """What lies below a folder, each sorted by path: `files`, `folders`, and `hidden` entries, which are not entered:
    names with a leading dot, and those that systems keep."""

    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    hidden: tuple[Path, ...]


def is_hidden(name: str) -> bool:
    """Whether an entry of this name is left out: one with a leading dot, or kept by a system or a tool."""
    return name.startswith(".") or name.lower() in KEPT_BY_SYSTEMS


def walk(root: Path, *, links: Links = "refuse") -> Walk:
    """Every regular file and folder below `root`, recursively. Links to files that stay below `root` are followed.

    Raises LinkRefused naming a symbolic link to a folder (which could loop or list the same files twice) or to a file
    outside, unless `links` are to be followed; DataError naming one that leads to nothing or to a folder which it lies
    in, and a folder that cannot be read.
    """
    home = root.resolve()
    files: list[Path] = []
    folders: list[Path] = []
    hidden: list[Path] = []

    def enter(folder: Path, above: tuple[Path, ...]) -> None:
        """`above` are the folders on the way down to `folder`, and itself, all resolved."""
        for entry in _entries(folder):
            if is_hidden(entry.name):
                hidden.append(entry)
                continue
            real = above[-1] / entry.name
            if entry.is_symlink():
                real = _target(entry, above)
                if links == "refuse":
                    _refuse(entry, real, home)
            if entry.is_dir():
                folders.append(entry)
                enter(entry, (*above, real))
            elif entry.is_file():
                files.append(entry)

    enter(root, (home,))
    by_parts = attrgetter("parts")
    return Walk(*(tuple(sorted(each, key=by_parts)) for each in (files, folders, hidden)))


def _entries(folder: Path) -> Iterator[Path]:
    """What lies in `folder`, sorted by name."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as exc:
        raise DataError(f"{folder}: cannot be listed: {exc.strerror or exc}") from exc
    return (folder / name for name in names)


def _target(link: Path, above: tuple[Path, ...]) -> Path:
    """What `link` leads to; an error where that is nothing, or has one of the folders `above` it inside."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError) as exc:  # RuntimeError: a link that leads to itself, before Python 3.13
        raise DataError(f"{link}: symbolic link that leads to nothing or to itself", hint=HINT) from exc
    if any(folder.is_relative_to(target) for folder in above):
        message = f"{link}: symbolic link to a folder that it lies in ({target}), so that it loops"
        raise DataError(message, hint=HINT)
    return target


def _refuse(link: Path, target: Path, home: Path) -> None:
    if target.is_dir():
        raise LinkRefused(f"{link}: symbolic link to a folder ({target}); such links can loop", hint=HINT)
    if not target.is_relative_to(home):
        raise LinkRefused(f"{link}: symbolic link that leaves {home} (to {target})", hint=HINT)
