"""Folders of pictures, texts or sounds to records."""

from __future__ import annotations

import json
import shlex
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Finding, Record, Records, Skipped
from headstart.suggest import suggestion
from headstart_plugins._files.given import PICTURES, SOUNDS, TEXTS, Medium, archive_suffix, given_path
from headstart_plugins._files.tree import Tree, read_tree
from headstart_plugins._picture_options import PictureOptions
from headstart_plugins.files import AudioFolderOptions, ClassFolderOptions, FolderOptions, TextFolderOptions
from headstart_plugins.files._beside import table_beside, table_opened, unread
from headstart_plugins.files._labels import LabelPattern, label_pattern, labels_in, usual_pattern
from headstart_plugins.files._masks import Masks, find_masks
from headstart_plugins.files._sides import (
    SHAPE,
    Layout,
    Top,
    find_sides,
    has_class_folders,
    unwrapped,
    without_unlabelled,
)

MAX_NAMED = 20


def build(request: DatasetRequest) -> Records:
    """Class folders of pictures, see `_build`."""
    return _build(request, PICTURES, request.options or FolderOptions())


def build_texts(request: DatasetRequest) -> Records:
    """Class folders of texts, see `_build`."""
    return _build(request, TEXTS, request.options or TextFolderOptions())


def build_sounds(request: DatasetRequest) -> Records:
    """Class folders of sounds, see `_build`."""
    return _build(request, SOUNDS, request.options or AudioFolderOptions())


def _build(request: DatasetRequest, medium: Medium, options: ClassFolderOptions) -> Records:
    """Records with the file as payload; key: path below the root with "/"; label: the class folder, or what a pattern
    finds in the key. An archive is read as the folder that it holds. Where no labels are asked for, all files of
    the medium count.

    Raises UsageError for a path that is absent, no folder, or lacks a folder named in `classes`, and for settings that
    exclude each other; DataError for a folder without class folders, an empty class folder, sides as in `find_sides`,
    names without a label, links as in `walk`, and archives as in `read_archive`.
    """
    path = given_path(request.reference, usage=f"{medium.name}_folder:PATH")
    is_archive = bool(archive_suffix(path)) and path.is_file()
    if not is_archive and not path.is_dir():
        raise UsageError(f"{path}: not a folder", hint="a table of samples is opened with manifest:PATH")
    pattern = label_pattern(options.label_pattern) if options.label_pattern else None
    if pattern and (options.nested or options.classes):
        other = "nested" if options.nested else "classes"
        raise UsageError(f"both label_pattern and {other}; expected one of them", hint="labels are in names or folders")
    if is_archive:
        from headstart_plugins.files._archive import read_archive  # which loads what folders do not need

        packed = read_archive(path, medium)
        tree = unwrapped(packed) if options.sides else packed
    else:
        tree = read_tree(path, options.links, medium)
    symmetries = options.symmetries if isinstance(options, PictureOptions) else frozenset()
    if not request.labelled:  # then every file counts, whatever the folders
        every = tuple(Record(tree.name(file), tree.payload(file)) for file in tree.below(tree.root))
        if not every:
            hint = f"{medium.noun}s are known by their endings, such as {medium.example}"
            raise DataError(f"{tree.root}: no {medium.noun}s", hint=hint)
        return Records(medium.name, every, symmetries, tree.skipped, findings=tree.findings)
    layout = _layout(tree, options, pattern)
    items = list(_named_by_files(tree, layout, pattern) if pattern else _named_by_folders(tree, layout, options))
    used = {item.key for item in items}
    findings = [*tree.findings, *layout.findings]
    if options.links == "follow" and not is_archive:
        items, again = _once(items)
        findings += again
    if not (pattern or options.classes or any(top.side for top in layout.tops)):
        findings += unread(tree, (str(item.target) for item in items))
    skipped = (*tree.skipped, *_skipped(tree, layout, used, chosen=bool(options.classes)))
    return Records(
        medium.name,
        tuple(items),
        symmetries,
        skipped,
        targets="targets/class",
        findings=tuple(findings),
        tolerances=options,
    )


def _layout(tree: Tree, options: ClassFolderOptions, pattern: LabelPattern | None) -> Layout:
    """Where class folders lie: in the data itself if the user says so by `sides`, or by `classes` that are there."""
    chosen = [tree.root / name for name in options.classes]
    if not options.sides or (chosen and all(map(tree.any_below, chosen))):
        return Layout((Top(tree.root, tree.root, None),))
    if pattern is None:
        labelled = partial(has_class_folders, tree)
        layout = find_sides(tree, labelled=labelled, nested=options.nested or bool(chosen), named=False)
        return layout if chosen else without_unlabelled(tree, layout)

    def any_named(folder: Path) -> bool:
        return any(pattern.find(tree.name(path)) for path in tree.below(folder))

    return find_sides(tree, labelled=any_named, nested=False, named=True)


def _named_by_files(tree: Tree, layout: Layout, pattern: LabelPattern) -> Iterator[Record]:
    """Each sample with the label that its path below the root has in it."""
    found = [(path, top.side) for top in layout.tops for path in tree.below(top.folder)]
    names = [tree.name(path) for path, _ in found]
    for name, (path, side), label in zip(names, found, labels_in(names, pattern, str(tree.root)), strict=True):
        yield Record(name, tree.payload(path), label, split=side)


def _named_by_folders(tree: Tree, layout: Layout, options: ClassFolderOptions) -> Iterator[Record]:
    """Each sample in a class folder."""
    for top in layout.tops:
        if options.classes:
            classes = list(_chosen_classes(tree, top.inner, options.classes, required=top.side in (None, "train")))
        elif not has_class_folders(tree, top.inner):
            raise _no_class_folders(tree, top.inner)
        elif options.nested:
            classes = list(_nested_classes(tree, top.inner, layout.left))
        else:
            folders = [folder for folder in tree.folders[top.inner] if folder not in layout.left]
            classes = [(folder.name, tree.below(folder)) for folder in folders]
        if tree.medium is PICTURES and not options.classes and (masks := find_masks(dict(classes))):
            raise _no_class(top.inner, masks, [label for label, files in classes if files])
        for label, files in classes:
            if not files:
                message = f"{top.inner / label}: class folder without {tree.medium.noun}s"
                raise DataError(message, hint=_ways_out_of_none(tree.filled(top.inner), tree.medium))
            for path in files:
                yield Record(tree.name(path), tree.payload(path), label, split=top.side)


def _ways_out_of_none(filled: Sequence[Path], medium: Medium) -> str:
    """What to do about a class folder without samples beside the `filled` ones."""
    hint = f"put {medium.noun}s into it, or move it away"
    if len(filled) == 1:
        return f"{hint}; where {filled[0].name} holds the class folders, open {filled[0]}"
    few = len(filled) <= MAX_NAMED
    return f"{hint}, or take only the others: {_taking(folder.name for folder in filled)}" if few else hint


def _taking(names: Iterable[str]) -> str:
    """The setting that takes just these classes."""
    return f"--set {shlex.quote(f'dataset.classes={json.dumps(list(names), ensure_ascii=False)}')}"


def _no_class(top: Path, masks: Masks, names: Sequence[str]) -> DataError:
    message = (
        f"{top}: {masks.folder} looks like masks of the pictures in {masks.of} ({masks.same} of {masks.count} have the "
        "same names), not like a class"
    )
    way = f"masks:{top} reads these as masks; else move it away"
    if len(names) > MAX_NAMED:
        return DataError(message, hint=f"where it is one, dataset.classes=NAMES takes it as one; {way}")
    return DataError(message, hint=f"where it is one, {_taking(names)} takes it as one; {way}")


def _no_class_folders(tree: Tree, top: Path) -> DataError:
    files, shape = tree.below(top), SHAPE.format(tree.medium.noun)
    if not files:
        others = Counter(path.suffix.lower() for path in tree.others if path.suffix and top in path.parents)
        told = f"; most files there end in {others.most_common(1)[0][0]}, which is read as none" if others else ""
        return DataError(f"{top}: no class folders with {tree.medium.noun}s in them{told}", hint=shape)
    count = tree.medium.counted(len(files))
    if table := table_beside(tree):
        message = f"{top}: no class folders, but {count}, and {tree.name(table[0])} names {tree.medium.noun}s"
        return DataError(
            message, hint=f"where that tells the labels, {table_opened(tree, table[0])}; otherwise {shape}"
        )
    hint = usual_pattern([tree.name(path) for path in files]) or (
        "labels in names are read by dataset.label_pattern, those in a table by manifest:TABLE.csv"
    )
    return DataError(f"{top}: no class folders, but {count}", hint=f"{hint}; otherwise {shape}")


def _nested_classes(tree: Tree, top: Path, left: Collection[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Every folder that directly holds samples is a class, but for those `left` out; one in `top` below which there are
    none is empty."""
    for folder in (each for each in tree.folders[top] if each not in left):
        holders: defaultdict[str, list[Path]] = defaultdict(list)
        for path in tree.below(folder):
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
            raise UsageError(f"classes: {name!r} lies in {(inside or [name])[0]!r}, so its files would count twice")
    for name in names:
        path = PurePosixPath(name)
        if tree.is_folder(top / path) and ".." not in path.parts and not path.is_absolute():
            yield name, tree.below(top / path)
        elif required:
            known = {found.parent.relative_to(top).as_posix() for found in tree.below(top)}
            raise UsageError(f"{top}: no class folder {name!r}", hint=suggestion(name, known - {"."}))


def _once(items: Sequence[Record]) -> tuple[list[Record], list[Finding]]:
    """The records without those of a file that has one with the same label and side, as links can lead to a file twice;
    and a note of these."""
    first: dict[tuple[Path, str, str | None], Record] = {}
    pairs = [(item, first.setdefault((item.payload.resolve(), item.target, item.split), item)) for item in items]
    again = [(item, same) for item, same in pairs if same is not item]
    if not again:
        return list(items), []
    message = f"{len(again)} of the files that links lead to are listed already and taken once, such as"
    finding = Finding("note", f"{message} {again[0][0].key}, which is {again[0][1].key}", len(again))
    return [item for item, same in pairs if same is item], [finding]


def _skipped(tree: Tree, layout: Layout, used: Collection[str], *, chosen: bool) -> Iterator[Skipped]:
    """What is not `used` and lies below no folder that was left out as a whole. What there can be thousands of is
    counted: what systems keep by name, other files by suffix, samples by folder."""
    names = defaultdict(list)
    for path in tree.hidden:
        names["._*" if path.name.startswith("._") else path.name].append(path)
    for name, paths in sorted(names.items()):
        why = "hidden" if name.startswith(".") else "kept by a system or a tool, no data"
        yield Skipped(str(paths[0]), why) if len(paths) == 1 else Skipped(str(tree.root), f"{len(paths)} {name}: {why}")
    others = Counter(path.suffix.lower() for path in tree.others)
    noun = tree.medium.noun
    for suffix, count in sorted(others.items()):
        ending = f"ending in {suffix}" if suffix else "without an ending"
        yield Skipped(str(tree.root), f"{count} file{'s' if count > 1 else ''} {ending}: no {noun}s")
    left = set(layout.left)
    loose = [path for path in tree.below(tree.root) if tree.name(path) not in used and left.isdisjoint(path.parents)]
    if chosen and loose:
        yield Skipped(str(tree.root), f"outside the chosen classes: {len(loose)} {noun}s")
        return
    folders = defaultdict(list)
    for path in loose:
        folders[path.parent].append(path)
    for folder, paths in sorted(folders.items()):
        if len(paths) == 1:
            yield Skipped(str(paths[0]), f"{noun} outside the class folders")
        else:
            yield Skipped(str(folder), f"{len(paths)} {noun}s outside the class folders")
