"""The pictures or texts below a folder, or in an archive, by the folder that holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from headstart.data.folders import LinkRefused, Links, Walk, walk
from headstart.errors import DataError
from headstart.specs import Finding, Skipped, Stored
from headstart_plugins._files.given import PICTURES, Medium


@dataclass(frozen=True)
class Tree:
    """What `walk` found below `root`: the folders directly in each folder, the samples directly in each (files of the
    `medium`), other files, and what is hidden. Each is sorted by path.

    Of an archive, whose paths go on inside it, `members` read its files; `skipped` and `findings` are what is to be
    said of it.
    """

    root: Path
    folders: Mapping[Path, list[Path]]
    samples: Mapping[Path, list[Path]]
    others: tuple[Path, ...]
    hidden: tuple[Path, ...]
    members: Mapping[Path, Callable[[], bytes]] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    findings: tuple[Finding, ...] = ()
    medium: Medium = PICTURES

    def below(self, folder: Path) -> list[Path]:
        """All samples below `folder`, sorted by path."""
        found: list[Path] = []
        folders = [folder]
        while folders:
            inside = folders.pop()
            found += self.samples.get(inside, ())
            folders += self.folders.get(inside, ())
        return sorted(found, key=attrgetter("parts"))

    def filled(self, folder: Path) -> list[Path]:
        """The folders directly in `folder` that have samples below them."""
        return [each for each in self.folders.get(folder, ()) if self.any_below(each)]

    def any_below(self, folder: Path) -> bool:
        """Whether there is a sample below `folder`."""
        return folder in self.samples or any(map(self.any_below, self.folders.get(folder, ())))

    def is_folder(self, path: Path) -> bool:
        """Whether there is such a folder below the root."""
        return path in self.folders.get(path.parent, ())

    def payload(self, sample: Path) -> Path | Stored:
        """What a record of a sample holds."""
        read = self.members.get(sample)
        return sample if read is None else Stored(str(sample), read)

    def name(self, path: Path) -> str:
        """`path` below the root, with "/"."""
        return path.relative_to(self.root).as_posix()


def read_tree(root: Path, links: Links, medium: Medium) -> Tree:
    """The tree below `root`. Raises DataError as `walk` does."""
    try:
        found = walk(root, links=links)
    except LinkRefused as error:
        raise DataError(
            error.message, hint=f"--set dataset.links=follow takes what it leads to; or {error.hint}"
        ) from error
    return tree_of(root, found, medium)


def tree_of(root: Path, found: Walk, medium: Medium) -> Tree:
    """What was `found` below `root`, as a tree."""
    folders: defaultdict[Path, list[Path]] = defaultdict(list)
    samples: defaultdict[Path, list[Path]] = defaultdict(list)
    for folder in found.folders:
        folders[folder.parent].append(folder)
    for file in found.files:
        if medium.holds(file):
            samples[file.parent].append(file)
    others = tuple(file for file in found.files if not medium.holds(file))
    return Tree(root, dict(folders), dict(samples), others, found.hidden, medium=medium)
