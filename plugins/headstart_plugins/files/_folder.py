"""Class folders to records."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from headstart.data.folders import Walk
from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Finding, Record, Records, Skipped
from headstart.suggest import suggestion
from headstart_plugins._picture_suffixes import is_picture
from headstart_plugins.files import FolderOptions, archive_suffix
from headstart_plugins.files._tree import ArchiveTree, FolderTree, Tree

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
    """Records with the file as payload; key: path below the root with "/"; label: the class folder. An archive is read
    as the folder that it holds; where records need no label, every picture in it is one.

    Raises UsageError for a path that is absent, no folder, or lacks a folder named in `classes`; DataError
    for a folder without class folders, an empty class folder, folders that are half splits and half classes,
    and links as in `walk`; and what `open_archive` refuses.
    """
    options: FolderOptions = request.options if request.options is not None else FolderOptions()
    tables = "a table of samples is opened with manifest:PATH"
    reference = Path(request.reference or "").expanduser()
    if archive_suffix(reference) and reference.is_file():
        from headstart_plugins.files._archive import open_archive  # which loads what folders do not need

        tree: Tree = _without_its_wrapping(open_archive(reference))
    else:
        tree = FolderTree(given_path(request.reference, "folder", usage="image_folder:PATH", otherwise=tables))
    whole = tree.walk(tree.root)
    if not request.labelled:
        return _unlabelled(tree, whole, options)
    items: list[Record] = []
    for top, split in _split_folders(tree):
        folders = tree.subfolders(top)
        if not folders:
            raise DataError(f"{top}: no class folders", hint=SHAPE)
        classes: Iterable[tuple[str, list[Path]]]
        if options.classes:
            classes = _chosen_classes(tree, top, options.classes, required=split in (None, "train"))
        elif options.nested:
            classes = _nested_classes(tree, top, folders)
        else:
            classes = ((folder.name, _pictures(folder, tree)) for folder in folders)
        for label, pictures in classes:
            if not pictures:
                raise DataError(
                    f"{top / label}: class folder without pictures", hint="remove it, or put pictures into it"
                )
            items += [_record(path, tree, label, split) for path in pictures]
    skipped = (*tree.skipped, *_skipped(tree, whole, items, options))
    return Records(
        "image", tuple(items), options.symmetries, skipped, targets="targets/class", findings=tuple(tree.findings)
    )


def _record(path: Path, tree: Tree, label: str | None = None, split: str | None = None) -> Record:
    return Record(path.relative_to(tree.root).as_posix(), tree.payload(path), label, split=split)


def _unlabelled(tree: Tree, whole: Walk, options: FolderOptions) -> Records:
    """Every picture, whatever the folders."""
    items = tuple(_record(path, tree) for path in whole.files if is_picture(path))
    if not items:
        raise DataError(f"{tree.root}: no pictures", hint="pictures are known by their endings, such as .jpg and .png")
    return Records("image", items, options.symmetries, tree.skipped, findings=tree.findings)


def _without_its_wrapping(tree: ArchiveTree) -> ArchiveTree:
    """The archive from the one folder on that everything lies in: people pack the folder `photos`, and mean what lies
    in it. Its pictures have the keys of those of the unpacked folder."""
    top = tree.root
    while len(inside := tree.subfolders(top)) == 1:
        (folder,) = inside
        own = any(is_picture(file) and file.parent in (top, folder) for file in tree.walk(top).files)
        if own or folder.name.lower() in SPLIT_NAMES or not tree.subfolders(folder):
            break
        top = folder
    if top == tree.root:
        return tree
    outside = [file for file in tree.walk(tree.root).files if not file.is_relative_to(top)]
    skipped = (*tree.skipped, *(Skipped(str(file), f"outside of {top.name}") for file in outside))
    inner = top.relative_to(tree.root).as_posix()
    note = Finding("note", f"{tree.root} is read as its folder {inner}, which is all that it holds")
    return dataclasses.replace(tree, root=top, skipped=skipped, findings=(*tree.findings, note))


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


def _split_folders(tree: Tree) -> Sequence[tuple[Path, str | None]]:
    """The folders that hold class folders: the root itself, or one for each side of a split."""
    root, folders = tree.root, tree.subfolders(tree.root)
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


def _pictures(folder: Path, tree: Tree) -> list[Path]:
    """The pictures below `folder`, sorted; links may stay within the tree."""
    return [path for path in tree.walk(folder).files if is_picture(path)]


def _nested_classes(tree: Tree, top: Path, folders: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Every folder that directly holds pictures is a class; one of `folders` below which there are none is empty."""
    for folder in folders:
        holders: defaultdict[str, list[Path]] = defaultdict(list)
        for path in _pictures(folder, tree):
            holders[path.parent.relative_to(top).as_posix()].append(path)
        yield from sorted(holders.items()) or [(folder.name, [])]


def _chosen_classes(
    tree: Tree, top: Path, chosen: Sequence[str], *, required: bool
) -> Iterator[tuple[str, list[Path]]]:
    """The classes that the user names; where they are `required`, one that is absent is an error."""
    names = [str(PurePosixPath(name)) for name in chosen]
    for name in names:
        inside = [other for other in names if PurePosixPath(other) in PurePosixPath(name).parents]
        if inside or names.count(name) > 1:
            raise UsageError(f"classes: {name!r} lies in {(inside or [name])[0]!r}, so its pictures would count twice")
    for name in names:
        path = PurePosixPath(name)
        if tree.is_folder(top / path) and ".." not in path.parts and not path.is_absolute():
            yield name, _pictures(top / path, tree)
        elif required:
            known = {found.parent.relative_to(top).as_posix() for found in _pictures(top, tree)}
            raise UsageError(f"{top}: no class folder {name!r}", hint=suggestion(name, known - {"."}))


def _skipped(tree: Tree, whole: Walk, items: Sequence[Record], options: FolderOptions) -> Iterator[Skipped]:
    root = tree.root
    for hidden in whole.hidden:
        yield Skipped(str(hidden), "hidden")
    # What is no picture by its suffix is counted by suffix: folders often hold thousands of such files.
    others = Counter(path.suffix.lower() for path in whole.files if not is_picture(path))
    for suffix, count in sorted(others.items()):
        ending = f"ending in {suffix}" if suffix else "without an ending"
        yield Skipped(str(root), f"{count} file{'s' if count > 1 else ''} {ending}: no pictures")
    used = {root / record.key for record in items}
    loose = [path for path in whole.files if is_picture(path) and path not in used]
    if options.classes and loose:
        yield Skipped(str(root), f"outside the chosen classes: {len(loose)} pictures")
    else:
        yield from (Skipped(str(path), "picture outside the class folders") for path in loose)
