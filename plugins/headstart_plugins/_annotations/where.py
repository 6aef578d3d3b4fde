"""Where annotations and the pictures that they name lie."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from headstart.data.folders import Links
from headstart.errors import DataError, UsageError
from headstart.lists import in_line
from headstart.specs import Finding, Skipped
from headstart_plugins._files.given import PICTURES, given_path
from headstart_plugins._files.names import side_in
from headstart_plugins._files.tree import Tree, read_tree

SHELVES = ("annotations", "labels")
"""Folders of annotations alone: the data is what holds them and the pictures."""


@dataclass(frozen=True)
class Data:
    """What lies below the `root` of some annotated pictures; `given` is the annotation file that the user named, if it
    is one."""

    root: Path
    tree: Tree
    given: Path | None

    def key(self, file: Path) -> str:
        """A file's path below the root, with "/"."""
        return os.path.relpath(file, self.root).replace(os.sep, "/")

    def unused(self, used: set[Path], why: str) -> list[Skipped]:
        """The pictures that are not `used`, as one that was left out."""
        left = [file for file in self.tree.below(self.root) if file not in used]
        if not left:
            return []
        count = "1 picture" if len(left) == 1 else f"{len(left)} pictures"
        return [Skipped(str(self.root), f"{count} {why}, such as {self.key(left[0])}")]


def open_data(reference: str | None, links: Links, *, usage: str) -> Data:
    """What lies below the path, or beside the file that it is. Raises UsageError for none, and DataError as `walk`."""
    path = given_path(reference, usage=usage)
    folder = path if path.is_dir() else path.parent
    if folder.name.lower() in SHELVES:
        folder = folder.resolve().parent if folder.parent == folder else folder.parent
    return Data(folder, read_tree(folder, links, PICTURES), None if path.is_dir() else path)


@dataclass(frozen=True)
class Place:
    """The folder below which names of pictures lead to files, once so many of their leading parts are left out."""

    folder: Path
    dropped: int

    def file(self, name: str) -> Path:
        """Where the picture of a name is, or would be."""
        return self.folder.joinpath(*_parts(name)[self.dropped :])


def find_place(data: Data, source: Path, names: Sequence[str], images: str) -> tuple[Place, list[Finding]]:
    """Where the pictures are that `source` names, and what is to be said of that: `images`, if the user names it.

    Else the folder below which most of them lie; of several one whose name says the same side, then that of `source`.
    Raises DataError where there is none, or still several.
    """
    if images:
        folder = data.root / Path(images).expanduser()
        if not folder.is_dir():
            raise UsageError(f"no such folder: {folder}", hint="dataset.images is relative to the data")
        return Place(folder, 0), []
    by_name: defaultdict[str, list[Path]] = defaultdict(list)
    for file in data.tree.below(data.root):
        by_name[file.name].append(file)
    for dropped in range(max((len(_parts(name)) for name in names), default=0)):
        counts: Counter[Path] = Counter()
        for name in names:
            tail = _parts(name)[dropped:]
            for file in by_name.get(tail[-1], ()) if tail else ():
                if file.parts[-len(tail) :] == tail:
                    counts[file.parents[len(tail) - 1]] += 1
        if counts:
            folder = _chosen(data, source, counts)
            told = f"{data.key(source)}: the names of its pictures are read without the first {dropped} of their parts"
            return Place(folder, dropped), [Finding("note", told, len(names))] if dropped else []
    raise DataError(
        f"{source}: none of its {len(names)} pictures is below {data.root}; the first is {names[0] if names else ''!r}",
        hint="say where they are: --set dataset.images=FOLDER",
    )


def _chosen(data: Data, source: Path, counts: Counter[Path]) -> Path:
    most = max(counts.values())
    best = sorted(folder for folder, count in counts.items() if count == most)
    if side := side_in(Path(data.key(source))):
        best = [folder for folder in best if side_in(Path(data.key(folder / "_"))) == side] or best
    best = [folder for folder in best if folder == source.parent] or best
    if len(best) > 1:
        listed = in_line([str(data.key(folder)) for folder in best])
        hint = f"say which: --set dataset.images={data.key(best[0])}"
        raise DataError(f"{source}: its pictures lie in each of {listed}", hint=hint)
    return best[0]


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "."))
