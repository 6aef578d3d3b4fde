"""Tables of samples, whatever the format, as rows of text."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import DataError, UsageError
from headstart_plugins._target_texts import SEPARATOR

BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
USED = ("path", "text", "text2", "label", "labels", "split", "group")
SEVERAL = ("labels", "tags")
"""Columns that hold any number of labels a sample."""
ID = "id"
"""The column that names rows which are to be answered."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
MARKS = ";\t|,"
"""What else stands between columns."""
DECLARED = re.compile(r'"?sep=(.)"?\r?\n')
"""The line above the names of columns in which spreadsheets say what separates these."""


@dataclass(frozen=True, kw_only=True)
class TableForm:
    """How a table is written, as its user says: empty where it is to be seen. `mark` stands between labels: also in the
    columns `several`, whatever these are called."""

    encoding: str
    delimiter: str
    mark: str = SEPARATOR
    several: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Table:
    """Column names, and rows as (row number as an editor counts it, column -> text); no value is empty
    text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]


def read_table(path: Path, form: TableForm, targets: Sequence[str] = ()) -> Table:
    """Read by suffix. What is no text in the columns `targets` becomes JSON. Raises DataError naming the row or byte
    that cannot be read, UsageError for a missing extra."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet(path, form, targets)
    text = _text(path, form.encoding)
    if suffix == ".jsonl":
        return _jsonl(path, text, form, targets)
    return _delimited(path, text, form.delimiter, DELIMITERS.get(suffix, ","))


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


def delimiter_hint(header: str) -> str | None:
    """The setting for the mark that seems to separate the columns in `header`, which is read as one; None for none."""
    other = next((mark for mark in MARKS if mark in header), None)
    if other is None:
        return None
    setting = "'dataset.delimiter=\"\\t\"'" if other == "\t" else f"\"dataset.delimiter='{other}'\""
    return f"columns seem to be separated by {other!r}: --set {setting}"


def _delimited(path: Path, text: str, given: str, usual: str) -> Table:
    if given and len(given) != 1:
        raise UsageError(f"delimiter is {given!r}; expected one character")
    declared = DECLARED.match(text)
    delimiter = given or (declared[1] if declared else usual)
    text, start = (text[declared.end() :], 2) if declared else (text, 1)
    above = start
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    table: list[tuple[int, list[str]]] = []
    try:
        for fields in reader:
            if fields:
                table.append((start, fields))
            start = reader.line_num + above
    except csv.Error as exc:
        hint = None if delimiter in header else delimiter_hint(header)
        raise DataError(f"{path}: row {start} cannot be read: {exc}", hint=hint) from exc
    if not table:
        raise DataError(f"{path}: empty", hint="the first row names the columns: path,label")
    names = [name.strip() for name in table[0][1]]
    for number, fields in table[1:]:
        if len(fields) != len(names):
            hint = delimiter_hint(names[0]) if len(names) == 1 else None
            raise DataError(
                f"{path}: row {number} has {len(fields)} fields, the header {len(names)}",
                hint=hint or "put quotes around values that contain the separator",
            )
    # A spreadsheet that was once wider ends its rows with columns that have neither a name nor a value.
    used = [index for index, name in enumerate(names) if name or any(fields[index].strip() for _, fields in table[1:])]
    columns = _columns(path, [names[index] for index in used])
    return Table(
        columns, tuple((number, {names[index]: fields[index] for index in used}) for number, fields in table[1:])
    )


def _columns(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: two columns are named {name!r}")
    return tuple(names)


def _jsonl(path: Path, text: str, form: TableForm, targets: Sequence[str]) -> Table:
    rows: list[tuple[int, Mapping[str, str]]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise DataError(f"{path}: row {number} is no JSON: {exc}") from exc
        if not isinstance(values, dict):
            raise DataError(f"{path}: row {number} is a {type(values).__name__}; expected an object")
        texts = {name: _plain(path, number, name, value, form, targets) for name, value in values.items()}
        rows.append((number, texts))
    if not rows:
        raise DataError(f"{path}: empty", hint='one object a line: {"path": "a.jpg", "label": "cat"}')
    return Table(tuple(dict.fromkeys(name for _, row in rows for name in row)), tuple(rows))


def _parquet(path: Path, form: TableForm, targets: Sequence[str]) -> Table:
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
    plain = [each.name for each in table.schema if _holds_texts(each.type) or each.name in (*USED, ID, *targets)]
    used = table.select(plain).to_pylist()
    rows = (
        (number, {name: _plain(path, number, name, value, form, targets) for name, value in row.items()})
        for number, row in enumerate(used, start=1)
    )
    return Table(columns, tuple(rows))


def _holds_texts(type: Any) -> bool:
    """Whether values of an Arrow type are, or are read as, text; pictures and other bytes are not."""
    from pyarrow import types

    texts = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean)
    return any(is_such(type) for is_such in texts) or (
        _holds_texts(type.value_type) if types.is_list(type) or types.is_dictionary(type) else False
    )


def _plain(path: Path, number: int, name: str, value: Any, form: TableForm, targets: Sequence[str]) -> str:
    """A value as text: numbers as labels too, and a list of labels joined by the separator."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if name in targets:
        try:
            return json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError) as exc:
            raise DataError(f"{path}: row {number}: {name} is no text and no JSON: {exc}") from exc
    if isinstance(value, float) and math.isfinite(value) and (name == "label" or name not in USED):
        return repr(value)
    is_several = name.lower() in SEVERAL or name in form.several
    if is_several and isinstance(value, list) and all(isinstance(each, str) for each in value):
        torn = [label for label in value if form.mark in label]  # they would be taken apart again
        if torn:
            raise DataError(
                f"{path}: row {number}: the label {torn[0]!r} has {form.mark!r} in it, which stands between labels",
                hint="name another with --set dataset.separator=';', or rename the label",
            )
        return form.mark.join(value)
    if name not in USED:
        return str(value).lower() if isinstance(value, bool) else ""
    wanted = {"labels": "text or a list of texts", "label": "text or a finite number"}.get(name, "text")
    raise DataError(
        f"{path}: row {number}: {name} is a {type(value).__name__}; expected {wanted}",
        hint="correct the row, or leave it out",
    )
