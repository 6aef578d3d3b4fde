"""A table of samples to records."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Record, Records
from headstart.suggest import suggestion
from headstart_plugins._picture_suffixes import SUFFIXES
from headstart_plugins._target_texts import SEPARATOR
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._folder import given_path
from headstart_plugins.files._sides import SPLIT_NAMES, side_of
from headstart_plugins.files._tables import USED, Table, read_table

SAMPLES = ("path", "text")
"""What the samples' column can be called."""
PAIRED = "text2"
"""The column of a second text, where a sample is a pair of texts."""
MEDIA: Mapping[str, frozenset[str]] = {
    "image": SUFFIXES,
    "audio": frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff"}),
    "text": frozenset({".txt", ".md"}),
}
"""What files of a suffix, in lower case, hold."""
LABELS = "labels"
"""The column of several labels a sample."""
ReadTarget = Callable[[str, str], str | Path]
"""From where a row is, for messages, and the text of its target's column to its target."""
TYPICAL: Mapping[str, Sequence[str]] = {
    "path": ("file", "filename", "filepath", "image", "picture", "paths"),
    "label": ("class", "target", "category", "value", "y"),
}


def build(request: DatasetRequest) -> Records:
    """Records of a table: key is the path as written, or `row-000002` for a text; paths are relative to the
    table. A column `text2` beside `text` makes each payload a pair (text, text2). The column `label` is one class or
    number; instead of it `labels` holds any number of labels, or a column of a kind of targets its texts or files.
    The medium is "text", or what the paths' suffixes say.

    Raises UsageError for an absent path or a missing extra; DataError naming the row for an empty or padded
    label, an unknown split, a path listed twice, and what `_tables` cannot read; naming the columns where one
    is missing.
    """
    options: ManifestOptions = request.options if request.options is not None else ManifestOptions()
    folders = "a folder of class folders is opened with image_folder:PATH"
    path = given_path(request.reference, "file", usage="manifest:TABLE.csv", otherwise=folders)
    kinds = {name: found for name, found in request.target_columns.items() if name not in USED}
    table = read_table(path, options, tuple(kinds))
    column = _only_column(path, table.columns, SAMPLES, "", "keep what the model shall read")
    if PAIRED in table.columns and column != "text":
        raise DataError(f"{path}: {PAIRED} without text", hint="a pair of texts stands in the columns text and text2")
    targets: str | None = None
    target: str | None = None
    read: ReadTarget = _label
    if request.labelled:
        hint = "say what shall be learned: --set dataset.target={}"
        target = _only_column(path, table.columns, ("label", LABELS, *kinds), options.target, hint)
        if target in kinds:
            targets, holds = kinds[target]
            read = partial(_file, path.parent, target) if holds == "file" else _text
        elif target == LABELS:
            if not options.separator.strip():
                message = f"separator is {options.separator!r}; expected something between labels"
                raise UsageError(message, hint="such as | or ;")
            targets, read = "targets/labels", partial(_labels, options.separator)
    items = tuple(_records(path, table, column, target, read))
    if not items:
        raise DataError(f"{path}: a header and no rows")
    return Records(
        _medium(path, items) if column == "path" else "text",
        items,
        options.symmetries if column == "path" else frozenset(),
        targets=targets,
        tolerances=options,
    )


def _only_column(path: Path, columns: Sequence[str], known: Sequence[str], chosen: str, hint: str) -> str:
    """The one of the `known` columns that the table has, or that of them which the user has `chosen`. Raises DataError
    for two of them, with a `hint` that takes the first, and for none, with what seems to stand for it."""
    given = [name for name in known if name in columns and chosen in ("", name)]
    if len(given) > 1:
        message = f"{path}: both {given[0]} and {given[1]}; expected one of them"
        raise DataError(message, hint=hint.format(given[0]))
    if given:
        return given[0]
    marks = [mark for mark in ";\t|," if mark in columns[0]] if len(columns) == 1 else []
    if marks:
        remedy: str | None = f"columns seem to be separated by {marks[0]!r}: --set dataset.delimiter={marks[0]!r}"
    else:
        alike = next((c for c in columns if c.lower() in (known[0], *TYPICAL[known[0]])), None)
        remedy = f"rename the column {alike!r} to {known[0]}" if alike else suggestion(known[0], columns)
    wanted = chosen or " or ".join(known)
    raise DataError(f"{path}: no column {wanted}; found {', '.join(map(repr, columns))}", hint=remedy)


def _records(path: Path, table: Table, column: str, target: str | None, read: ReadTarget) -> Iterator[Record]:
    seen: dict[str, int] = {}
    for number, row in table.rows:
        where = f"{path}: row {number}"
        value = row.get(column, "")
        if not value.strip():
            raise DataError(f"{where}: no {column}")
        key = f"row-{number:06d}"
        payload: Any = value
        if PAIRED in table.columns:
            if not row.get(PAIRED, "").strip():
                raise DataError(f"{where}: no {PAIRED}")
            payload = (value, row[PAIRED])
        if column == "path":
            payload = path.parent / value
            key = os.path.normpath(value).replace(os.sep, "/")
            if key in seen:
                raise DataError(f"{where}: {value!r} is already listed in row {seen[key]}", hint="keep one of them")
            seen[key] = number
        side = side_of(row.get("split", ""))
        if side is None and row.get("split"):
            raise DataError(f"{where}: split is {row['split']!r}; expected {', '.join(SPLIT_NAMES)}")
        yield Record(
            key=key,
            payload=payload,
            target=None if target is None else read(where, row.get(target, "")),
            group=row.get("group") or None,
            split=side,
        )


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


def _text(where: str, text: str) -> str:
    return text


def _file(folder: Path, column: str, where: str, text: str) -> Path:
    """The path of a file, relative to `folder`."""
    if not text.strip():
        raise DataError(f"{where}: no {column}", hint="give every row a file, or leave the row out")
    return folder / text


def _label(where: str, text: str) -> str:
    if not text.strip():
        raise DataError(f"{where}: empty label", hint="give every row a label, or leave the row out")
    if text != text.strip():
        raise DataError(f"{where}: the label {text!r} has spaces around it", hint="remove them")
    return text


def _labels(separator: str, where: str, text: str) -> str:
    """The labels of a row, joined by SEPARATOR; empty text where it has none."""
    labels = [label.strip() for label in text.split(separator)] if text.strip() else []
    if not all(labels):
        raise DataError(f"{where}: empty label in {text!r}", hint=f"write one {separator!r} between two labels")
    if separator != SEPARATOR and any(SEPARATOR in label for label in labels):
        raise DataError(f"{where}: a label in {text!r} has {SEPARATOR!r} in it", hint="no name of a label may")
    return SEPARATOR.join(labels)
