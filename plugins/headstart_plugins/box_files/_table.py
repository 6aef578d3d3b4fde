"""Tables with a box a row: CSV, TSV, JSONL or Parquet."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import DataError, UsageError
from headstart.specs import Finding
from headstart.suggest import suggestion
from headstart_plugins._annotations.headers import Four, Size
from headstart_plugins._annotations.told import Told
from headstart_plugins._box_layouts import CORNERS as CORNER_NAMES
from headstart_plugins._box_layouts import WHOLE, box_columns
from headstart_plugins._files.given import given_path
from headstart_plugins._files.names import FILE_COLUMNS, LABEL_COLUMNS, SPLIT_NAMES, plain_name, side_of
from headstart_plugins._files.paths import PathOptions, Reading, as_written, read_paths
from headstart_plugins._files.tables import Table, TableForm, read_table
from headstart_plugins.box_files._annotated import CENTRED, CORNERS, SIZED, Annotated, Form, Written, shares
from headstart_plugins.box_files._faults import NO_NUMBERS
from headstart_plugins.box_files._options import TableOptions
from headstart_plugins.box_files._records import Found

FORMS = {"corners": CORNERS, "size": SIZED, "centre": CENTRED}
OTHERS = {
    "corners": (SIZED, "width and height stand in the last two columns: --set dataset.form=size"),
    "size": (CORNERS, "right and bottom stand in the last two columns: --set dataset.form=corners"),
    "centre": (CORNERS, "these are corners: --set dataset.form=corners"),
}
CLASSES = (*LABEL_COLUMNS, "cls", "object", "name")
"""What people call the column of classes, as `plain_name` has it; all but the last also with `name` behind."""
NUMBERED = ("label", "class", "category", "cls")
"""What is taken with `id` behind where no other column names the class; other ids may be those of objects."""
OBJECT = "object"
"""The class of every box where no column tells one."""
FLAGS = {"crowd": ("crowd", "iscrowd"), "difficult": ("difficult",)}
YES = ("1", "1.0", "true", "yes")
INFINITE = float("inf")


@dataclass(frozen=True)
class Columns:
    """Where things stand in the table; `stated` are those of the picture's width and height, if there are any."""

    box: tuple[str, ...]
    label: str | None
    area: str | None
    crowd: str | None
    difficult: str | None
    stated: tuple[str, str] | None


def read_boxes(reference: str | None, options: TableOptions) -> Found:
    """A picture for each file that rows name, with the boxes of all its rows; one of a row without a box has none.

    Raises UsageError for an absent path, DataError naming columns or the row for what cannot be read.
    """
    path = given_path(reference, usage="table:TABLE.csv")
    if not path.is_file():
        raise UsageError(f"{path}: not a file", hint="a folder of annotations is opened with box_folder:PATH")
    form = TableForm(encoding=options.encoding, delimiter=options.delimiter)
    table = read_table(path, form, _lists(options))
    if not table.rows:
        raise DataError(f"{path}: a header and no rows")
    columns, meaning = _columns(path, table, options)
    reading = _reading(path, table, columns, options)
    unit = shares if options.units == "shares" else _as_it_is
    other, hint = OTHERS[meaning]
    found = Found([], unit(FORMS[meaning]), [(unit(other), hint)], is_shares=options.units == "shares")
    found.units_hint = "--set dataset.units=" + ("pixels" if found.is_shares else "shares")
    found.pictures = _pictures(path, table, columns, reading, found.told)
    if reading.column != "path" or reading.how:
        told = f"column {reading.column!r} is read {reading.outcome}"
        found.told.findings.append(Finding("note", told, reading.found, " ".join(reading.settings) or None))
    message = f"columns {', '.join(map(repr, columns.box))} are read as {found.form.name}"
    found.told.findings.append(Finding("note", message, len(table.rows), "--set dataset.form says otherwise"))
    if columns.label is None:
        message = f"no column is known to be that of classes, so each box is of the class {OBJECT!r}"
        listed = ", ".join(each for each in table.columns if each not in (*columns.box, reading.column))
        way = f"--set dataset.label_column=NAME names one of {listed}" if listed else None
        found.told.findings.append(Finding("note", message, len(table.rows), way))
    return found


def _as_it_is(form: Form) -> Form:
    return form


def _lists(options: TableOptions) -> tuple[str, ...]:
    """Columns of four numbers together, which are lists in JSONL and Parquet."""
    return options.box_columns if len(options.box_columns) == 1 else (*WHOLE, "box_2d", "bounding_box")


def _columns(path: Path, table: Table, options: TableOptions) -> tuple[Columns, str]:
    """By the settings, or by their names; and the name of the form."""
    for column in (*options.box_columns, options.path_column, options.label_column):
        if column and column not in table.columns:
            listed = ", ".join(map(repr, table.columns))
            raise DataError(f"{path}: no column {column}; found {listed}", hint=suggestion(column, table.columns))
    box = options.box_columns or box_columns(table.columns)
    if len(box) not in (1, 4):
        listed = ", ".join(map(repr, table.columns))
        hint = '--set \'dataset.box_columns=["left", "top", "right", "bottom"]\' names the four'
        raise DataError(f"{path}: no columns of a box; found {listed}", hint=hint)
    form = options.form or ("corners" if tuple(map(plain_name, box)) in CORNER_NAMES else "size")
    if options.box_columns and not options.form and tuple(map(plain_name, box)) not in CORNER_NAMES:
        form = "corners" if len(box) == 4 and not {"w", "width", "h", "height"} & set(map(plain_name, box)) else "size"
    free = {plain_name(column): column for column in table.columns if column not in box}
    named = (*CLASSES, *(f"{name}name" for name in CLASSES[:-1]))
    labels = [options.label_column] if options.label_column else [free[name] for name in named if name in free]
    labels = labels or [free[f"{name}id"] for name in NUMBERED if f"{name}id" in free]
    if len(labels) > 1:
        hint = f"say which: --set dataset.label_column={labels[0]}"
        raise DataError(f"{path}: {' and '.join(map(repr, labels))} could each be the class of a box", hint=hint)
    sizes = [
        pair for pair in (("width", "height"), ("imagewidth", "imageheight")) if all(name in free for name in pair)
    ]
    stated = (free[sizes[0][0]], free[sizes[0][1]]) if sizes else None
    flags = {name: next((free[each] for each in called if each in free), None) for name, called in FLAGS.items()}
    return Columns(box, labels[0] if labels else None, free.get("area"), stated=stated, **flags), form


def _reading(path: Path, table: Table, columns: Columns, options: TableOptions) -> Reading:
    """The files of the rows. Raises DataError where no column leads to files."""
    given = PathOptions(
        folder=options.images, suffix=options.suffix, unreadable=options.unreadable, folder_option="images"
    )
    free = [each for each in table.columns if each not in (*columns.box, columns.label)]
    called = [each for each in free if plain_name(each).removesuffix("s") in FILE_COLUMNS]
    names = [options.path_column] if options.path_column else [each for each in called if each == "path"] or called
    found = read_paths(path, table, [names], given) if names else None
    if found is None and len(names) == 1:  # pictures that are absent are told one by one
        return as_written(path, table, names[0], given)
    if found is None:
        listed = ", ".join(map(repr, table.columns))
        hint = "call it path; or --set dataset.path_column=NAME, dataset.images=FOLDER and dataset.suffix=.jpg"
        raise DataError(f"{path}: no column leads to pictures; found {listed}", hint=hint)
    return found


def _pictures(path: Path, table: Table, columns: Columns, reading: Reading, told: Told) -> list[Annotated]:
    boxes: defaultdict[str, list[Written]] = defaultdict(list)
    first: dict[str, tuple[int, Path, str, str]] = {}
    stated: dict[str, Size | None] = {}
    without: dict[str, int] = {}
    for (number, row), file in zip(table.rows, reading.files, strict=True):
        text = row.get(reading.column, "").strip()
        if not text:
            raise DataError(f"{path}: row {number}: no {reading.column}", hint="name the picture in each row")
        key = os.path.normpath(text).replace(os.sep, "/")
        split, group = row.get("split", "").strip(), row.get("group", "").strip()
        if split and side_of(split) is None:
            raise DataError(f"{path}: row {number}: split is {split!r}; expected {', '.join(SPLIT_NAMES)}")
        begun = first.setdefault(key, (number, file, split, group))
        if begun[2:] != (split, group):
            hint = "give all rows of a picture the same split and group"
            raise DataError(f"{path}: row {number}: {key} has another split or group in row {begun[0]}", hint=hint)
        stated.setdefault(key, _stated(row, columns))
        box = _box(path, number, row, columns, told)
        if box is None:
            without.setdefault(key, number)
        elif isinstance(box, Written):
            boxes[key].append(box)
    if both := next((key for key in without if boxes[key]), None):
        message = f"{path}: row {without[both]} says that {both} has no box, and other rows give it some"
        raise DataError(message, hint="leave out one or the other")
    return [
        Annotated(key, file, path.name, boxes[key], stated[key], side_of(split), group or None)
        for key, (_, file, split, group) in first.items()
    ]


def _stated(row: Mapping[str, str], columns: Columns) -> Size | None:
    if columns.stated is None:
        return None
    width, height = (_number(row.get(name, "")) for name in columns.stated)
    return (int(width), int(height)) if width and height and 1 <= width < INFINITE and 1 <= height < INFINITE else None


def _box(path: Path, number: int, row: Mapping[str, str], columns: Columns, told: Told) -> Written | bool | None:
    """The box of a row; None where it has none, True where what it has is told as a fault."""
    texts = [row.get(name, "").strip() for name in columns.box]
    if len(texts) == 1:
        texts = re.sub(r"[\[\](),;]", " ", texts[0]).split()
    label = row.get(columns.label, "").strip() if columns.label else OBJECT
    if not any(texts):
        if columns.label and label and label.lower() not in ("none", "background", "no box"):
            hint = "write its corners; a row without class and box is a picture without objects"
            raise DataError(f"{path}: row {number}: {label!r} has no box", hint=hint)
        return None
    if not label:
        raise DataError(f"{path}: row {number}: no {columns.label}", hint="give each box a class, or leave it out")
    numbers = _four(texts)
    if numbers is None:
        told.add(NO_NUMBERS, f"{path.name}, row {number}: {label} [{', '.join(texts)}]")
        return True
    area = _number(row.get(columns.area, "")) if columns.area else None
    crowd, difficult = (
        bool(name) and row.get(name or "", "").strip().lower() in YES for name in (columns.crowd, columns.difficult)
    )
    return Written(f"row {number}", label, numbers, area, crowd, difficult)


def _four(texts: Sequence[str]) -> Four | None:
    numbers = [_number(text) for text in texts]
    if len(numbers) != 4 or None in numbers:
        return None
    return tuple(numbers)  # type: ignore[return-value]  # four, as was asked


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
