"""Which folders, tables and files hold masks, by their names and first bytes: for the plugins that open these, so that
each path has one that does. No plugin."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from headstart_plugins._box_layouts import ENDS, is_coco
from headstart_plugins._files.given import PARQUET, TABLES
from headstart_plugins._files.mask_names import pair, told_apart
from headstart_plugins._files.names import FILE_COLUMNS, plain_name
from headstart_plugins._picture_suffixes import SUFFIXES

KIND = "masks/mask"
"""The kind of targets."""
COCO, VOC, FOLDERS, TABLE = "coco", "voc", "folders", "table"
MOST_NAMES = 200_000
"""So many names of a folder are looked at, the highest levels first."""
MOST_TRIED = 20
"""So many JSON files are looked into."""
MASK_COLUMNS = ("mask", "maskpath", "maskfile", "maskname", "segmentation", "annotation", "labelpath", "label")
"""What people call the column of masks, as `plain_name` has it; the first that is there is taken."""
SURE = 4
"""So many of them mean nothing else where they hold names of pictures."""
VOC_PICTURES, VOC_MASKS = "JPEGImages", "SegmentationClass"
POLYGONS = re.compile(rb'"segmentation"\s*:\s*(\[\s*[\[{]|\{)')
"""Begins polygons, or run lengths, in COCO's JSON; not an empty list."""


def mask_format(path: Path, *, asked: bool) -> str | None:
    """How the masks lie that are below a folder, or in a file; None where there are none.

    Unless masks are `asked` for, only where it could be nothing else: COCO's annotations are read as boxes, and files
    beside each other as what they are otherwise.
    """
    if path.is_dir():
        return _of_folder(path, asked=asked)
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return TABLE if _is_table(path, asked=asked) else None
    return COCO if asked and suffix == ".json" and has_shapes(path) else None


def _of_folder(path: Path, *, asked: bool) -> str | None:
    pictures, documents, folders = [], [], set()
    for folder, names in _levels(path):
        folders.add(folder)
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if suffix in SUFFIXES:
                pictures.append(folder / name)
            elif suffix == ".json":
                documents.append(folder / name)
    if any(folder.name == VOC_MASKS and folder.with_name(VOC_PICTURES) in folders for folder in folders):
        return VOC
    found, masks = told_apart(pictures, beside=asked)
    if masks and found and (asked or pair(found, masks, anywhere=False).are_enough):
        return FOLDERS
    return COCO if asked and any(has_shapes(path / file) for file in documents[:MOST_TRIED]) else None


def _levels(root: Path) -> Iterator[tuple[PurePath, list[str]]]:
    """The folders below `root` and itself, as paths below it, the highest first, each with the names of its files."""
    from headstart.data.folders import is_hidden  # declarations import this module, and nothing of core but contracts

    level, names = [PurePath()], 0
    while level:
        below: list[PurePath] = []
        for folder in level:
            if names > MOST_NAMES:
                return
            try:
                entries = [each for each in os.scandir(root / folder) if not is_hidden(each.name)]
            except OSError:
                continue
            names += len(entries)
            below += [folder / entry.name for entry in entries if entry.is_dir() and not entry.is_symlink()]
            yield folder, [entry.name for entry in entries if entry.is_file()]
        level = sorted(below)


def has_shapes(file: Path) -> bool:
    """Whether a JSON file is in the form of COCO and has polygons or run lengths, as its first and last bytes say."""
    if not is_coco(file):
        return False
    with file.open("rb") as stream:
        head = stream.read(ENDS)
        stream.seek(max(len(head), stream.seek(0, os.SEEK_END) - ENDS))
        return bool(POLYGONS.search(head) or POLYGONS.search(stream.read()))


def mask_column(columns: Sequence[str], names: Sequence[str] = MASK_COLUMNS) -> str | None:
    """The column of masks in a table, the one called by the first of `names`; None without."""
    named = {plain_name(column): column for column in columns}
    return next((named[name] for name in names if name in named), None)


def picture_column(columns: Sequence[str]) -> str | None:
    """The column of pictures: `path`, or the only one that is called like files; None for none or several."""
    found = {plain_name(column): column for column in columns if plain_name(column).removesuffix("s") in FILE_COLUMNS}
    return found.get("path") or (next(iter(found.values())) if len(found) == 1 else None)


def _is_table(path: Path, *, asked: bool) -> bool:
    """Whether a table has a column of pictures, and one of masks, which begins with the name of a picture."""
    names = MASK_COLUMNS if asked else MASK_COLUMNS[:SURE]
    if path.suffix.lower() == PARQUET:
        try:
            import pyarrow
            import pyarrow.parquet

            schema = pyarrow.parquet.read_schema(path)
            both = mask_column(schema.names, names), picture_column(schema.names)
            return all(name is not None and schema.field(name).type == pyarrow.string() for name in both)
        except Exception:  # absent, or no such file: whoever opens it says so
            return False
    try:
        with path.open("rb") as stream:
            head = stream.read(ENDS).decode("utf-8", "ignore").removeprefix("\ufeff")
    except OSError:
        return False
    row = _first_row(head, path.suffix.lower())
    masks = mask_column([*row], names)
    has_both = masks is not None and picture_column([*row]) is not None
    return has_both and os.path.splitext(row[masks or ""].strip())[1].lower() in SUFFIXES


def _first_row(text: str, suffix: str) -> Mapping[str, str]:
    """The first row of a table by its columns; empty where it cannot be read so."""
    if suffix == ".jsonl":
        try:
            row = json.loads(text.partition("\n")[0])
        except ValueError:
            return {}
        return {name: value for name, value in row.items() if isinstance(value, str)} if isinstance(row, dict) else {}
    header, _, rest = text.partition("\n")
    mark = max(",;\t|", key=header.count)
    lines = [*csv.reader([header.strip("\r"), rest.partition("\n")[0].strip("\r")], delimiter=mark)]
    return dict(zip([name.strip() for name in lines[0]], lines[1], strict=False)) if len(lines) == 2 else {}
