"""The pictures below a folder, by the folder that holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from headstart.data.folders import LinkRefused, Links, walk
from headstart.errors import DataError
from headstart_plugins._picture_suffixes import is_picture


@dataclass(frozen=True)
class Tree:
    """What `walk` found below `root`: the folders directly in each folder, the pictures directly in each, other files,
    and what is hidden. Each is sorted by path."""

    root: Path
    folders: Mapping[Path, list[Path]]
    pictures: Mapping[Path, list[Path]]
    others: tuple[Path, ...]
    hidden: tuple[Path, ...]

    def below(self, folder: Path) -> list[Path]:
        """All pictures below `folder`, sorted by path."""
        found = list(self.pictures.get(folder, ()))
        for each in self.folders.get(folder, ()):
            found += self.below(each)
        return sorted(found, key=attrgetter("parts"))

    def filled(self, folder: Path) -> list[Path]:
        """The folders directly in `folder` that have pictures below them."""
        return [each for each in self.folders.get(folder, ()) if self.any_below(each)]

    def any_below(self, folder: Path) -> bool:
        """Whether there is a picture below `folder`."""
        return folder in self.pictures or any(map(self.any_below, self.folders.get(folder, ())))

    def name(self, path: Path) -> str:
        """`path` below the root, with "/"."""
        return path.relative_to(self.root).as_posix()


def read_tree(root: Path, links: Links) -> Tree:
    """The tree below `root`. Raises DataError as `walk` does."""
    try:
        found = walk(root, links=links)
    except LinkRefused as error:
        raise DataError(
            error.message, hint=f"--set dataset.links=follow takes what it leads to; or {error.hint}"
        ) from error
    folders: defaultdict[Path, list[Path]] = defaultdict(list)
    pictures: defaultdict[Path, list[Path]] = defaultdict(list)
    for folder in found.folders:
        folders[folder.parent].append(folder)
    for file in found.files:
        if is_picture(file):
            pictures[file.parent].append(file)
    others = tuple(file for file in found.files if not is_picture(file))
    return Tree(root, dict(folders), dict(pictures), others, found.hidden)
