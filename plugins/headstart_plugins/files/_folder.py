"""Class folders to records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from headstart.data.folders import Walk, subfolders, walk
from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Record, Records, Skipped
from headstart.suggest import suggestion
from headstart_plugins._picture_suffixes import is_picture
from headstart_plugins.files import FolderOptions

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""Accepted name, in lower case -> ours."""


def other_files(files: Iterable[Path], root: Path) -> list[Skipped]:
    """What is no picture by its suffix, counted by suffix: folders often hold thousands of such files."""
    counts = Counter(path.suffix.lower() for path in files if not is_picture(path))
    return [
        Skipped(str(root), f"{count} file{'s' if count > 1 else ''} {_ending(suffix)}: no pictures")
        for suffix, count in sorted(counts.items())
    ]


def _ending(suffix: str) -> str:
    return f"ending in {suffix}" if suffix else "without an ending"


SHAPE = "expected a folder for each class with pictures in it, or train, val and test folders above those"


def build(request: DatasetRequest) -> Records:
    """Records with the file as payload; key: path below the root with "/"; label: the class folder.

    Raises UsageError for a path that is absent, no folder, or lacks a folder named in `classes`; DataError
    for a folder without class folders, an empty class folder, folders that are half splits and half classes,
    and links as in `walk`.
    """
    options: FolderOptions = request.options if request.options is not None else FolderOptions()
    root = _root(request.reference)
    tree = walk(root)
    tops = _split_folders(root, subfolders(root))
    items = tuple(record for top, split in tops for record in _records(_Side(root, top, split), options))
    skipped = tuple(_skipped(root, tree, items, options))
    return Records("image", items, options.symmetries, skipped, targets="targets/class")


def _root(reference: str | None) -> Path:
    if reference is None:
        raise UsageError("image_folder needs a path", hint="image_folder:PATH")
    root = Path(reference).expanduser()
    if not root.exists():
        raise UsageError(f"{root}: no such folder")
    if not root.is_dir():
        raise UsageError(f"{root}: not a folder", hint="a table of samples is opened with manifest:PATH")
    return root


def _split_folders(root: Path, folders: Sequence[Path]) -> list[tuple[Path, str | None]]:
    """The folders that hold class folders: `root` itself, or one for each side of a split."""
    if not folders:
        raise DataError(f"{root}: no class folders", hint=SHAPE)
    sides = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    if not sides or (len(sides) == 1 and len(folders) > 1):  # one among others is a class, such as a train
        return [(root, None)]
    others = [folder.name for folder in folders if folder not in sides]
    if others:
        raise DataError(
            f"{root}: {', '.join(s.name for s in sides)} look like splits, {', '.join(others)} does not",
            hint="move or rename what is no split",
        )
    named = [(folder, SPLIT_NAMES[folder.name.lower()]) for folder in sides]
    for side in ("train", "val", "test"):
        names = [folder.name for folder, split in named if split == side]
        if len(names) > 1:
            raise DataError(f"{root}: {' and '.join(names)} both mean {side}", hint="keep one of them")
    if "train" not in {split for _, split in named}:
        raise DataError(f"{root}: {', '.join(f.name for f, _ in named)}, but no train folder", hint=SHAPE)
    return [(folder, split) for folder, split in named]


@dataclass(frozen=True)
class _Side:
    """A folder `top` of class folders, for one side of a split or for all (None), below the data's `root`."""

    root: Path
    top: Path
    split: str | None

    def pictures(self, folder: Path) -> list[Path]:
        """The pictures below `folder`, sorted."""
        return [path for path in walk(folder, within=self.root).files if is_picture(path)]

    def folders(self) -> Sequence[Path]:
        """The class folders."""
        return subfolders(self.top, within=self.root)


def _records(side: _Side, options: FolderOptions) -> Iterator[Record]:
    for label, pictures in _classes(side, options):
        if not pictures:
            raise DataError(
                f"{side.top / label}: class folder without pictures",
                hint="remove it, or put pictures into it",
            )
        for path in pictures:
            yield Record(path.relative_to(side.root).as_posix(), path, label, split=side.split)


def _classes(side: _Side, options: FolderOptions) -> Iterator[tuple[str, Sequence[Path]]]:
    """(class name, its pictures)"""
    folders = side.folders()
    if not folders:
        raise DataError(f"{side.top}: no class folders", hint=SHAPE)
    if options.classes:
        yield from _named_classes(side, options.classes)
        return
    for folder in folders:
        pictures = side.pictures(folder)
        if options.nested:
            # Every folder that directly holds pictures; where there is none, `folder` is an empty class.
            holders: defaultdict[str, list[Path]] = defaultdict(list)
            for path in pictures:
                holders[path.parent.relative_to(side.top).as_posix()].append(path)
            if not holders:
                yield folder.name, []
            yield from sorted(holders.items())
        else:
            yield folder.name, pictures


def _named_classes(side: _Side, classes: Sequence[str]) -> Iterator[tuple[str, Sequence[Path]]]:
    names = [str(PurePosixPath(name)) for name in classes]
    _check_apart(names)
    for name in names:
        path = PurePosixPath(name)
        if (side.top / path).is_dir() and ".." not in path.parts and not path.is_absolute():
            yield name, side.pictures(side.top / path)
        elif side.split in (None, "train"):
            known = {found.parent.relative_to(side.top).as_posix() for found in side.pictures(side.top)}
            raise UsageError(f"{side.top}: no class folder {name!r}", hint=suggestion(name, known - {"."}))


def _check_apart(names: Sequence[str]) -> None:
    for name in names:
        inside = [other for other in names if PurePosixPath(other) in PurePosixPath(name).parents]
        if inside or names.count(name) > 1:
            raise UsageError(f"classes: {name!r} lies in {(inside or [name])[0]!r}, so its pictures would count twice")


def _skipped(root: Path, tree: Walk, items: Sequence[Record], options: FolderOptions) -> Iterator[Skipped]:
    for hidden in tree.hidden:
        yield Skipped(str(hidden), "hidden")
    yield from other_files(tree.files, root)
    used = {record.payload for record in items}
    loose = [path for path in tree.files if is_picture(path) and path not in used]
    if options.classes and loose:
        yield Skipped(str(root), f"outside the chosen classes: {len(loose)} pictures")
    else:
        yield from (Skipped(str(path), "picture outside the class folders") for path in loose)
