"""What class folders are read from: a folder on disk, or an archive as if it were unpacked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Protocol

from headstart.data.folders import Walk, is_hidden, subfolders, walk
from headstart.specs import Finding, Skipped, Stored


class Tree(Protocol):
    """Folders and files below `root`; those of an archive are named as if the archive were a folder."""

    @property
    def root(self) -> Path:
        """Where keys begin."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What is left out before anything is walked."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is to be said of how it is read."""

    def walk(self, folder: Path) -> Walk:
        """See `headstart.data.folders.walk`; links may stay within the root."""

    def subfolders(self, folder: Path) -> tuple[Path, ...]:
        """See `headstart.data.folders.subfolders`."""

    def is_folder(self, path: Path) -> bool:
        """Whether there is such a folder."""

    def payload(self, file: Path) -> Path | Stored:
        """What a record of a file holds."""


@dataclass(frozen=True)
class FolderTree:
    """A folder on disk; see `Tree`."""

    root: Path
    skipped: tuple[Skipped, ...] = ()
    findings: tuple[Finding, ...] = ()

    def walk(self, folder: Path) -> Walk:
        """See `Tree`."""
        return walk(folder, within=self.root)

    def subfolders(self, folder: Path) -> tuple[Path, ...]:
        """See `Tree`."""
        return subfolders(folder, within=self.root)

    def is_folder(self, path: Path) -> bool:
        """See `Tree`."""
        return path.is_dir()

    def payload(self, file: Path) -> Path:
        """The file itself."""
        return file


@dataclass(frozen=True)
class ArchiveTree:
    """The members of an archive: of regular `files` what reads each, and all `folders`, without the archive itself.
    See `Tree`."""

    root: Path
    files: Mapping[Path, Callable[[], bytes]]
    folders: frozenset[Path]
    skipped: tuple[Skipped, ...] = ()
    findings: tuple[Finding, ...] = ()

    @cached_property
    def _entries(self) -> Mapping[Path, list[Path]]:
        """What lies in each folder, sorted by name."""
        entries: dict[Path, list[Path]] = {}
        for path in sorted({*self.files, *self.folders}, key=attrgetter("name")):
            entries.setdefault(path.parent, []).append(path)
        return entries

    def walk(self, folder: Path) -> Walk:
        """See `Tree`."""
        files: list[Path] = []
        hidden: list[Path] = []
        waiting = [folder]
        while waiting:
            for entry in self._entries.get(waiting.pop(), ()):
                if is_hidden(entry.name):
                    hidden.append(entry)
                elif entry in self.folders:
                    waiting.append(entry)
                else:
                    files.append(entry)
        by_parts = attrgetter("parts")
        return Walk(tuple(sorted(files, key=by_parts)), tuple(sorted(hidden, key=by_parts)))

    def subfolders(self, folder: Path) -> tuple[Path, ...]:
        """See `Tree`."""
        entries = self._entries.get(folder, ())
        return tuple(entry for entry in entries if entry in self.folders and not is_hidden(entry.name))

    def is_folder(self, path: Path) -> bool:
        """See `Tree`."""
        return path in self.folders

    def payload(self, file: Path) -> Stored:
        """The member, read when it is asked for."""
        return Stored(str(file), self.files[file])
