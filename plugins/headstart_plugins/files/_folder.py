"""Class folders to records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

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


SHAPE = "expected a folder for each class with pictures in it, or train, val and test folders above those"


def build(request: DatasetRequest) -> Records:
    """Records with the file as payload; key: path below the root with "/"; label: the class folder.

    Raises UsageError for a path that is absent, no folder, or lacks a folder named in `classes`; DataError
    for a folder without class folders, an empty class folder, folders that are half splits and half classes,
    and links as in `walk`.
    """
    options: FolderOptions = request.options if request.options is not None else FolderOptions()
    tables = "a table of samples is opened with manifest:PATH"
    root = given_path(request.reference, "folder", usage="image_folder:PATH", otherwise=tables)
    tree = walk(root)
    items: list[Record] = []
    for top, split in _split_folders(root):
        folders = subfolders(top, within=root)
        if not folders:
            raise DataError(f"{top}: no class folders", hint=SHAPE)
        classes: Iterable[tuple[str, list[Path]]]
        if options.classes:
            classes = _chosen_classes(root, top, options.classes, required=split in (None, "train"))
        elif options.nested:
            classes = _nested_classes(root, top, folders)
        else:
            classes = ((folder.name, _pictures(folder, root)) for folder in folders)
        for label, pictures in classes:
            if not pictures:
                raise DataError(
                    f"{top / label}: class folder without pictures", hint="remove it, or put pictures into it"
                )
            items += [Record(path.relative_to(root).as_posix(), path, label, split=split) for path in pictures]
    skipped = tuple(_skipped(root, tree, items, options))
    return Records("image", tuple(items), options.symmetries, skipped, targets="targets/class", tolerances=options)


def given_path(reference: str | None, what: Literal["file", "folder"], *, usage: str, otherwise: str) -> Path:
    """The path of a `file` or `folder` that a dataset is opened from. Raises UsageError, with the hint `usage` for no
    path, and `otherwise` for one that is something else."""
    if reference is None:
        raise UsageError(f"{usage.partition(':')[0]} needs a path", hint=usage)
    path = Path(reference).expanduser()
    if not path.exists():
        raise UsageError(f"{path}: no such {what}")
    if not (path.is_dir() if what == "folder" else path.is_file()):
        raise UsageError(f"{path}: not a {what}", hint=otherwise)
    return path


def _split_folders(root: Path) -> Sequence[tuple[Path, str | None]]:
    """The folders that hold class folders: `root` itself, or one for each side of a split."""
    folders = subfolders(root)
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
    return named


def _pictures(folder: Path, root: Path) -> list[Path]:
    """The pictures below `folder`, sorted; links may stay within `root`."""
    return [path for path in walk(folder, within=root).files if is_picture(path)]


def _nested_classes(root: Path, top: Path, folders: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Every folder that directly holds pictures is a class; one of `folders` below which there are none is empty."""
    for folder in folders:
        holders: defaultdict[str, list[Path]] = defaultdict(list)
        for path in _pictures(folder, root):
            holders[path.parent.relative_to(top).as_posix()].append(path)
        yield from sorted(holders.items()) or [(folder.name, [])]


def _chosen_classes(
    root: Path, top: Path, chosen: Sequence[str], *, required: bool
) -> Iterator[tuple[str, list[Path]]]:
    """The classes that the user names; where they are `required`, one that is absent is an error."""
    names = [str(PurePosixPath(name)) for name in chosen]
    for name in names:
        inside = [other for other in names if PurePosixPath(other) in PurePosixPath(name).parents]
        if inside or names.count(name) > 1:
            raise UsageError(f"classes: {name!r} lies in {(inside or [name])[0]!r}, so its pictures would count twice")
    for name in names:
        path = PurePosixPath(name)
        if (top / path).is_dir() and ".." not in path.parts and not path.is_absolute():
            yield name, _pictures(top / path, root)
        elif required:
            known = {found.parent.relative_to(top).as_posix() for found in _pictures(top, root)}
            raise UsageError(f"{top}: no class folder {name!r}", hint=suggestion(name, known - {"."}))


def _skipped(root: Path, tree: Walk, items: Sequence[Record], options: FolderOptions) -> Iterator[Skipped]:
    for hidden in tree.hidden:
        yield Skipped(str(hidden), "hidden")
    # What is no picture by its suffix is counted by suffix: folders often hold thousands of such files.
    others = Counter(path.suffix.lower() for path in tree.files if not is_picture(path))
    for suffix, count in sorted(others.items()):
        ending = f"ending in {suffix}" if suffix else "without an ending"
        yield Skipped(str(root), f"{count} file{'s' if count > 1 else ''} {ending}: no pictures")
    used = {record.payload for record in items}
    loose = [path for path in tree.files if is_picture(path) and path not in used]
    if options.classes and loose:
        yield Skipped(str(root), f"outside the chosen classes: {len(loose)} pictures")
    else:
        yield from (Skipped(str(path), "picture outside the class folders") for path in loose)
