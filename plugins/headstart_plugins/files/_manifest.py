"""A table of samples to records."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Finding, Record, Records
from headstart.suggest import suggestion
from headstart_plugins._box_layouts import box_columns
from headstart_plugins._files.given import MEDIA, given_path
from headstart_plugins._files.names import FILE_COLUMNS, SPLIT_NAMES, plain_name, side_of
from headstart_plugins._files.paths import LEFT_OUT, PathOptions, Reading, as_written, read_paths
from headstart_plugins._files.tables import ID, USED, Table, TableForm, delimiter_hint, read_table
from headstart_plugins._parallel.together import source_group
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._free import KIND as FREE
from headstart_plugins.files._free import learned_texts, source_column, spoken_columns, translated_columns
from headstart_plugins.files._learned import Kinds, Learned, find_learned
from headstart_plugins.files._texts import SECOND, TextColumns, odd_texts, require_filled, text_columns
from headstart_plugins.files._unread import unread_groups, unread_sides

SAMPLES = ("path", "text")
"""What the samples' column can be called."""
SIDES = ("split", "group")
"""Columns that say on which side a sample is."""


def build(request: DatasetRequest) -> Records:
    """Records of a table: key is the path as written, or `row-000002` for a text; without labels, what a column `id`
    says. Paths are relative to the table, or as `_files.paths` reads them. Texts stand in the columns that `_texts`
    finds; two of them make each payload a pair (text, text2). What is learned stands in the columns that `_learned`
    finds, or `_free` where any text is: then the same source makes a group. The medium is "text", or what the paths'
    suffixes say.

    Raises UsageError for an absent path or a missing extra; DataError naming the row for an empty or padded
    label, an unknown split, a path listed twice, and what `_files.tables` cannot read; naming the columns where one
    is missing, or could be several.
    """
    options: ManifestOptions = request.options if request.options is not None else ManifestOptions()
    path = given_path(request.reference, usage="manifest:TABLE.csv")
    if not path.is_file():
        raise UsageError(f"{path}: not a file", hint="a folder of class folders is opened with image_folder:PATH")
    kinds = {name: found for name, found in request.target_columns.items() if name not in USED}
    several = frozenset({options.label_column, *(["label"] if options.separator else [])} - {""})
    form = TableForm(encoding=options.encoding, delimiter=options.delimiter, mark=options.mark, several=several)
    table = read_table(path, form, tuple(kinds))
    if not table.rows:
        raise DataError(f"{path}: a header and no rows")
    free = translated_columns(table, options, kinds) if request.labelled else None
    if free:
        reading, texts = None, TextColumns(free[:1])
    elif free := spoken_columns(table, options, kinds):
        reading, texts = _samples(path, table, replace(options, path_column=free[0]), kinds)
    elif not request.labelled and (source := source_column(table, options)):
        reading, texts = None, TextColumns((source,))
    else:
        reading, texts = _samples(path, table, options, kinds)
    columns = (reading.column,) if reading else texts.names
    if SECOND in table.columns and SECOND not in columns:
        raise DataError(f"{path}: {SECOND} without text", hint="a pair of texts stands in the columns text and text2")
    if request.labelled or reading is not None:  # a text that is to be answered may be empty: its answer tells
        require_filled(path, table, columns)
    learned: Learned | None = None
    if request.labelled:
        files = [each for each in table.columns if _is_called_file(each)]
        others = (*columns, *SIDES, *files)
        learned = learned_texts(table, free[1]) if free else find_learned(path, table, options, kinds, others)
    items = tuple(_records(path, table, columns, reading, learned))
    return Records(
        _medium(path, items) if reading else "text",
        items,
        options.symmetries if reading else frozenset(),
        targets=learned.targets if learned else None,
        findings=(
            *_told(reading),
            *texts.findings,
            *(odd_texts(table, columns, learned.columns if learned else (), options) if reading is None else ()),
            *(unread_sides(table, reading, learned.columns) if learned else ()),
            *(unread_groups(table, (*columns, *learned.columns), texts=reading is None) if learned else ()),
            *(learned.findings if learned else ()),
        ),
        tolerances=options,
    )


def _is_called_file(column: str) -> bool:
    return plain_name(column).removesuffix("s") in FILE_COLUMNS


def _samples(path: Path, table: Table, options: ManifestOptions, kinds: Kinds) -> tuple[Reading | None, TextColumns]:
    """The files of the rows; None where the samples are texts, with their columns. Raises DataError where no column can
    be taken."""
    columns = table.columns
    places = PathOptions(folder=options.folder, suffix=options.suffix, unreadable=options.unreadable)
    if options.path_column and options.text_column:
        raise UsageError("path_column and text_column are given; expected one of them")
    if options.text2_column and not options.text_column:
        raise UsageError("text2_column is given without text_column", hint="a pair of texts stands in two columns")
    if options.path_column and options.path_column not in columns:
        listed = ", ".join(map(repr, columns))
        message = f"{path}: no column {options.path_column}, which path_column names; found {listed}"
        raise DataError(message, hint=suggestion(options.path_column, columns))
    given = [options.path_column] if options.path_column else [name for name in SAMPLES if name in columns]
    if len(given) > 1 and not options.text_column:
        hint = "keep one, or say which is read: --set dataset.path_column=path or --set dataset.text_column=text"
        raise DataError(f"{path}: both {' and '.join(given)}; expected one of them", hint=hint)
    takes_files = options.path_column or (given == ["path"] and not options.text_column)
    texts = None if takes_files else text_columns(path, table, options)
    if texts is not None and (given or options.text_column):
        return None, texts
    if given:
        reading = read_paths(path, table, [given], places) or as_written(path, table, given[0], places)
        return reading, TextColumns(())
    learned = ("label", "labels", options.label_column, *SIDES, *kinds)
    called = [column for column in columns if _is_called_file(column)]
    others = [column for column in columns if column not in (*called, *learned)]
    if found := read_paths(path, table, [called] if texts else [called, others], places):
        if Path(found.column).suffix.lower() in LEFT_OUT:
            message = f"{path}: the first row is no header: {found.column!r} is a file like those below it"
            raise DataError(message, hint="write names of the columns above it, such as path,label")
        return found, TextColumns(())
    if texts is not None:
        return None, texts
    listed = ", ".join(map(repr, columns))
    message = f"{path}: no column path or text, and no other that leads to files; found {listed}"
    raise DataError(message, hint=_remedy(path, table, called, options))


def _remedy(path: Path, table: Table, called: Sequence[str], options: ManifestOptions) -> str:
    """What to do where no column can be taken; those `called` like columns of files lead nowhere."""
    if len(table.columns) == 1 and (marked := delimiter_hint(table.columns[0])):
        return marked
    if called:
        first = next((row[called[0]] for _, row in table.rows if row.get(called[0])), "")
        return (
            f"too few files of {called[0]!r}, such as {first!r}, lie in or below {path.parent / options.folder}: "
            "--set dataset.folder=DIR says where they are, and --set dataset.suffix=.jpg what their names lack"
        )
    return (
        "call the column of files path, that of texts text; or say which: --set dataset.path_column=NAME or "
        "dataset.text_column=NAME"
    )


def _told(reading: Reading | None) -> Iterator[Finding]:
    """How files were found, where that is more than the table says; an error where none was."""
    if reading is None:
        return
    if not reading.found:
        first = reading.files[0]
        yield Finding(
            "error",
            f"column {reading.column!r}: none of {len(reading.files)} files found; the first would be {first}",
            len(reading.files),
            "say where they are: --set dataset.folder=DIR, and what their names lack: --set dataset.suffix=.jpg",
        )
    elif reading.how or reading.column != "path":
        message = f"column {reading.column!r} is read {reading.outcome}"
        hint = f"{' '.join(reading.settings)} asks for that wherever it is read" if reading.settings else None
        yield Finding("note", message, reading.found, hint)


def _records(
    path: Path, table: Table, columns: Sequence[str], reading: Reading | None, learned: Learned | None
) -> Iterator[Record]:
    seen: dict[str, int] = {}
    together = reading is None and learned is not None and learned.targets == FREE and not _gives(table, "split")
    for index, (number, row) in enumerate(table.rows):
        where = f"{path}: row {number}"
        value = row.get(columns[0], "")
        key = f"row-{number:06d}"
        payload: Any = value if len(columns) == 1 else tuple(row.get(column, "") for column in columns)
        if reading is not None:
            payload = reading.files[index]
            key = os.path.normpath(value).replace(os.sep, "/")
            if key in seen and learned is not None:
                boxes = f"; or, as columns are those of boxes, open all of a picture as table:{path}"
                way = f"keep one of them{boxes if box_columns(table.columns) else ''}"
                raise DataError(f"{where}: {value!r} is already listed in row {seen[key]}", hint=way)
            seen[key] = number
        if learned is None:  # a row to be answered has its own name, as the table writes it
            key = row.get(ID, "").strip() or (key if reading is None else value)
        side = side_of(row.get("split", ""))
        if side is None and row.get("split"):
            raise DataError(f"{where}: split is {row['split']!r}; expected {', '.join(SPLIT_NAMES)}")
        yield Record(
            key=key,
            payload=payload,
            target=None if learned is None else learned.read(where, row),
            group=row.get("group") or (source_group(value) if together else None),
            split=side,
        )


def _gives(table: Table, column: str) -> bool:
    return any(row.get(column) for _, row in table.rows)


def _medium(path: Path, items: Sequence[Record]) -> str:
    """What the files hold, by their suffixes; pictures where these say nothing. Raises DataError where they differ."""
    first: dict[str, str] = {}
    for item in items:
        suffix = Path(item.payload).suffix.lower()
        for medium in (name for name, suffixes in MEDIA.items() if suffix in suffixes):
            first.setdefault(medium, item.key)
    if len(first) > 1:
        told = " and ".join(f"{key!r} ({medium})" for medium, key in first.items())
        raise DataError(f"{path}: files of several kinds: {told}", hint="make a table for each kind")
    return next(iter(first), "image")
