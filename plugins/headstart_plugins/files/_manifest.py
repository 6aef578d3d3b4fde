"""A table of samples to records."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Record, Records
from headstart.suggest import suggestion
from headstart_plugins._picture_suffixes import SUFFIXES
from headstart_plugins._target_texts import SEPARATOR
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._folder import SPLIT_NAMES
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
ReadTarget = Callable[[str, Mapping[str, str]], str | Path | None]
"""From where a row is, for messages, and the row to its target."""
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
    path = _path(request.reference)
    kinds = {name: found for name, found in request.target_columns.items() if name not in USED}
    table = read_table(path, options, tuple(kinds))
    column = _sample_column(path, table.columns)
    targets: str | None = None
    read: ReadTarget = _unlabelled
    if request.labelled:
        target = _target_column(path, table.columns, ("label", LABELS, *kinds), options.target)
        if target in kinds:
            targets, holds = kinds[target]
            read = _given(target, path.parent if holds == "file" else None)
        elif target == LABELS:
            targets, read = "targets/labels", _several(options.separator)
        else:
            read = _label
    items = tuple(_records(path, table, column, read))
    if not items:
        raise DataError(f"{path}: a header and no rows")
    return Records(
        _medium(path, items) if column == "path" else "text",
        items,
        options.symmetries if column == "path" else frozenset(),
        targets=targets,
    )


def _path(reference: str | None) -> Path:
    if reference is None:
        raise UsageError("manifest needs a path", hint="manifest:TABLE.csv")
    path = Path(reference).expanduser()
    if not path.exists():
        raise UsageError(f"{path}: no such file")
    if not path.is_file():
        raise UsageError(f"{path}: not a file", hint="a folder of class folders is opened with image_folder:PATH")
    return path


def _sample_column(path: Path, columns: Sequence[str]) -> str:
    given = [name for name in SAMPLES if name in columns]
    if len(given) == 2:
        raise DataError(f"{path}: both path and text; expected one of them", hint="keep what the model shall read")
    if not given:
        raise _missing(path, "path", columns, SAMPLES)
    if PAIRED in columns and given[0] != "text":
        raise DataError(f"{path}: {PAIRED} without text", hint="a pair of texts stands in the columns text and text2")
    return given[0]


def _target_column(path: Path, columns: Sequence[str], known: Sequence[str], chosen: str) -> str:
    given = [name for name in known if name in columns and chosen in ("", name)]
    if len(given) > 1:
        hint = f"say what shall be learned: --set dataset.target={given[0]}"
        raise DataError(f"{path}: both {given[0]} and {given[1]}; expected one of them", hint=hint)
    if not given:
        raise _missing(path, "label", columns, (chosen,) if chosen else known)
    return given[0]


def _missing(path: Path, name: str, columns: Sequence[str], known: Sequence[str]) -> DataError:
    wanted = " or ".join(known)
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|,"):
        mark = next(mark for mark in ";\t|," if mark in columns[0])
        hint: str | None = f"columns seem to be separated by {mark!r}: --set dataset.delimiter={mark!r}"
    else:
        alike = next((c for c in columns if c.lower() in (name, *TYPICAL[name])), None)
        hint = f"rename the column {alike!r} to {name}" if alike else suggestion(name, columns)
    return DataError(f"{path}: no column {wanted}; found {', '.join(map(repr, columns))}", hint=hint)


def _records(path: Path, table: Table, column: str, read: ReadTarget) -> Iterator[Record]:
    seen: dict[str, int] = {}
    for number, row in table.rows:
        where = f"{path}: row {number}"
        value = row.get(column, "")
        if not value.strip():
            raise DataError(f"{where}: no {column}")
        target, split = read(where, row), _split(where, row)
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
        yield Record(
            key=key,
            payload=payload,
            target=target,
            group=row.get("group") or None,
            split=split,
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


def _given(column: str, folder: Path | None) -> ReadTarget:
    """Reads the text of a column, or with `folder` the path of a file, relative to that."""

    def read(where: str, row: Mapping[str, str]) -> str | Path:
        text = row.get(column, "")
        if folder is None:
            return text
        if not text.strip():
            raise DataError(f"{where}: no {column}", hint="give every row a file, or leave the row out")
        return folder / text

    return read


def _unlabelled(where: str, row: Mapping[str, str]) -> None:
    """Records for an answer have no target."""


def _label(where: str, row: Mapping[str, str]) -> str:
    label = row.get("label", "")
    if not label.strip():
        raise DataError(f"{where}: empty label", hint="give every row a label, or leave the row out")
    if label != label.strip():
        raise DataError(f"{where}: the label {label!r} has spaces around it", hint="remove them")
    return label


def _several(separator: str) -> ReadTarget:
    """Reads the labels of a row, joined by SEPARATOR; empty text where it has none."""
    if not separator.strip():
        raise UsageError(f"separator is {separator!r}; expected something between labels", hint="such as | or ;")

    def read(where: str, row: Mapping[str, str]) -> str:
        text = row.get(LABELS, "")
        labels = [label.strip() for label in text.split(separator)] if text.strip() else []
        if not all(labels):
            raise DataError(f"{where}: empty label in {text!r}", hint=f"write one {separator!r} between two labels")
        if separator != SEPARATOR and any(SEPARATOR in label for label in labels):
            raise DataError(f"{where}: a label in {text!r} has {SEPARATOR!r} in it", hint="no name of a label may")
        return SEPARATOR.join(labels)

    return read


def _split(where: str, row: Mapping[str, str]) -> str | None:
    name = row.get("split", "")
    if not name:
        return None
    if name.lower() not in SPLIT_NAMES:
        raise DataError(f"{where}: split is {name!r}; expected {', '.join(SPLIT_NAMES)}")
    return SPLIT_NAMES[name.lower()]
