"""A table of samples to records."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import os.path
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Record, Records
from headstart.suggest import suggestion
from headstart_plugins._picture_suffixes import SUFFIXES
from headstart_plugins._target_texts import SEPARATOR
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._folder import SPLIT_NAMES

BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
USED = ("path", "text", "text2", "label", "labels", "split", "group")
DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Table:
    """Column names, and rows as (row number as an editor counts it, column -> text); no value is empty
    text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]


def read_table(path: Path, options: ManifestOptions) -> Table:
    """Read by suffix. Raises DataError naming the row or byte that cannot be read, UsageError for a missing
    extra."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet(path, options.separator)
    text = _text(path, options.encoding)
    if suffix == ".jsonl":
        return _jsonl(path, text, options.separator)
    return _delimited(path, text, options.delimiter or DELIMITERS.get(suffix, ","))


def _text(path: Path, encoding: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise DataError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    chosen = encoding or next((name for bom, name in BOMS if content.startswith(bom)), "utf-8")
    try:
        return content.decode(chosen)
    except LookupError as exc:
        raise UsageError(f"{encoding!r} is no known encoding", hint="such as utf-8, latin-1 or cp1252") from exc
    except UnicodeDecodeError as exc:
        raise DataError(
            f"{path}: byte {exc.start} ({content[exc.start : exc.start + 1].hex()}) is no valid {chosen}",
            hint="say what it is: --set dataset.encoding=latin-1 (or cp1252, ...)",
        ) from exc


def _delimited(path: Path, text: str, delimiter: str) -> Table:
    if len(delimiter) != 1:
        raise UsageError(f"delimiter is {delimiter!r}; expected one character")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    table: list[tuple[int, list[str]]] = []
    start = 1
    try:
        for fields in reader:
            if fields:
                table.append((start, fields))
            start = reader.line_num + 1
    except csv.Error as exc:
        raise DataError(f"{path}: row {start} cannot be read: {exc}") from exc
    if not table:
        raise DataError(f"{path}: empty", hint="the first row names the columns: path,label")
    columns = _columns(path, [name.strip() for name in table[0][1]])
    return Table(columns, tuple(_row(path, columns, number, fields) for number, fields in table[1:]))


def _columns(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: two columns are named {name!r}")
    return tuple(names)


def _row(path: Path, columns: Sequence[str], number: int, fields: Sequence[str]) -> tuple[int, Mapping[str, str]]:
    if len(fields) != len(columns):
        raise DataError(
            f"{path}: row {number} has {len(fields)} fields, the header {len(columns)}",
            hint="put quotes around values that contain the separator",
        )
    return number, dict(zip(columns, fields, strict=True))


def _jsonl(path: Path, text: str, separator: str) -> Table:
    rows: list[tuple[int, Mapping[str, str]]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            rows.append((number, _object(path, number, line, separator)))
    if not rows:
        raise DataError(f"{path}: empty", hint='one object a line: {"path": "a.jpg", "label": "cat"}')
    return Table(tuple(dict.fromkeys(name for _, row in rows for name in row)), tuple(rows))


def _object(path: Path, number: int, line: str, separator: str) -> Mapping[str, str]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise DataError(f"{path}: row {number} is no JSON: {exc}") from exc
    if not isinstance(values, dict):
        raise DataError(f"{path}: row {number} is a {type(values).__name__}; expected an object")
    return {name: _plain(path, number, name, value, separator) for name, value in values.items()}


def _parquet(path: Path, separator: str) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise UsageError(f"{path}: reading Parquet needs pyarrow", hint="pip install 'headstart[parquet]'") from exc
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, ValueError, pyarrow.ArrowException) as exc:
        raise DataError(f"{path}: no readable Parquet file: {exc}") from exc
    columns = _columns(path, table.column_names)
    return Table(columns, tuple(_parquet_rows(path, table, separator)))


def _parquet_rows(path: Path, table: Any, separator: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    used = [name for name in table.column_names if name in USED]
    for number, row in enumerate(table.select(used).to_pylist(), start=1):
        yield number, {name: _plain(path, number, name, value, separator) for name, value in row.items()}


def _plain(path: Path, number: int, name: str, value: Any, separator: str) -> str:
    """A value as text: numbers as labels too, and a list of labels joined by `separator`."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if name not in USED:
        return ""
    if name == "label" and isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if name == "labels" and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return _joined(path, number, value, separator)
    wanted = {"labels": "text or a list of texts", "label": "text or a finite number"}.get(name, "text")
    raise DataError(
        f"{path}: row {number}: {name} is a {type(value).__name__}; expected {wanted}",
        hint="correct the row, or leave it out",
    )


def _joined(path: Path, number: int, labels: list[str], separator: str) -> str:
    """Raises DataError for a label that would be taken apart again."""
    for label in labels:
        if separator in label:
            raise DataError(
                f"{path}: row {number}: the label {label!r} has {separator!r} in it, which stands between labels",
                hint="name another with --set dataset.separator=';', or rename the label",
            )
    return separator.join(labels)


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
ReadTarget = Callable[[str, Mapping[str, str]], str | None]
"""From where a row is, for messages, and the row to its target."""
TYPICAL: Mapping[str, Sequence[str]] = {
    "path": ("file", "filename", "filepath", "image", "picture", "paths"),
    "label": ("class", "target", "category", "value", "y"),
}


def build(request: DatasetRequest) -> Records:
    """Records of a table: key is the path as written, or `row-000002` for a text; paths are relative to the
    table. A column `text2` beside `text` makes each payload a pair (text, text2). The column `label` is one class or
    number; instead of it `labels` holds any number of labels. The medium is "text", or what the paths' suffixes say.

    Raises UsageError for an absent path or a missing extra; DataError naming the row for an empty or padded
    label, an unknown split, a path listed twice, and what `_tables` cannot read; naming the columns where one
    is missing.
    """
    options: ManifestOptions = request.options if request.options is not None else ManifestOptions()
    path = _path(request.reference)
    table = read_table(path, options)
    column = _sample_column(path, table.columns, labelled=request.labelled)
    read = (_several(options.separator) if LABELS in table.columns else _label) if request.labelled else _unlabelled
    items = tuple(_records(path, table, column, read))
    if not items:
        raise DataError(f"{path}: a header and no rows")
    return Records(
        _medium(path, items) if column == "path" else "text",
        items,
        options.symmetries if column == "path" else frozenset(),
        targets="targets/labels" if request.labelled and LABELS in table.columns else None,
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


def _sample_column(path: Path, columns: Sequence[str], *, labelled: bool) -> str:
    given = [name for name in SAMPLES if name in columns]
    if len(given) == 2:
        raise DataError(f"{path}: both path and text; expected one of them", hint="keep what the model shall read")
    if not given:
        raise _missing(path, "path", columns)
    if PAIRED in columns and given[0] != "text":
        raise DataError(f"{path}: {PAIRED} without text", hint="a pair of texts stands in the columns text and text2")
    if not labelled:
        return given[0]
    if "label" in columns and LABELS in columns:
        raise DataError(f"{path}: both label and labels; expected one of them", hint="keep what shall be learned")
    if "label" not in columns and LABELS not in columns:
        raise _missing(path, "label", columns)
    return given[0]


def _missing(path: Path, name: str, columns: Sequence[str]) -> DataError:
    wanted = "path or text" if name == "path" else "label or labels"
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
