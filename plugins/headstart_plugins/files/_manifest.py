"""A table of samples to records."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Record, Records
from headstart.suggest import suggestion
from headstart_plugins.files import ManifestOptions
from headstart_plugins.files._splits import SPLIT_NAMES
from headstart_plugins.files._tables import Table, read_table

INPUTS: Mapping[str, str] = {"path": "image/image", "text": "text/text"}
"""What the samples' column is called -> the input kind that reads it."""
TYPICAL: Mapping[str, Sequence[str]] = {
    "path": ("file", "filename", "filepath", "image", "picture", "paths"),
    "label": ("class", "target", "category", "labels", "y"),
}


def build(request: DatasetRequest) -> Records:
    """Records of a table: key is the path as written, or `row-000002` for a text; paths are relative to the
    table.

    Raises UsageError for an absent path or a missing extra; DataError naming the row for an empty or padded
    label, an unknown split, a path listed twice, and what `_tables` cannot read; naming the columns where one
    is missing.
    """
    options: ManifestOptions = request.options if request.options is not None else ManifestOptions()
    path = _path(request.reference)
    table = read_table(path, options)
    column = _sample_column(path, table.columns)
    items = tuple(_records(path, table, column))
    if not items:
        raise DataError(f"{path}: a header and no rows")
    flip = column == "path" and options.horizontal_flip
    return Records(INPUTS[column], items, frozenset({"horizontal_flip"} if flip else ()))


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
    given = [name for name in INPUTS if name in columns]
    if len(given) == 2:
        raise DataError(f"{path}: both path and text; expected one of them", hint="keep what the model shall read")
    if not given:
        raise _missing(path, "path", columns)
    if "label" not in columns:
        raise _missing(path, "label", columns)
    return given[0]


def _missing(path: Path, name: str, columns: Sequence[str]) -> DataError:
    wanted = "path or text" if name == "path" else name
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|,"):
        mark = next(mark for mark in ";\t|," if mark in columns[0])
        hint: str | None = f"columns seem to be separated by {mark!r}: --set dataset.delimiter={mark!r}"
    else:
        alike = next((c for c in columns if c.lower() in (name, *TYPICAL[name])), None)
        hint = f"rename the column {alike!r} to {name}" if alike else suggestion(name, columns)
    return DataError(f"{path}: no column {wanted}; found {', '.join(map(repr, columns))}", hint=hint)


def _records(path: Path, table: Table, column: str) -> Iterator[Record]:
    seen: dict[str, int] = {}
    for number, row in table.rows:
        where = f"{path}: row {number}"
        value = row.get(column, "")
        if not value.strip():
            raise DataError(f"{where}: no {column}")
        label, split = _label(where, row), _split(where, row)
        key, payload = f"row-{number:06d}", value
        if column == "path":
            key = os.path.normpath(value).replace(os.sep, "/")
            if key in seen:
                raise DataError(f"{where}: {value!r} is already listed in row {seen[key]}", hint="keep one of them")
            seen[key] = number
        yield Record(
            key=key,
            payload=path.parent / value if column == "path" else payload,
            target=label,
            group=row.get("group") or None,
            split=split,
        )


def _label(where: str, row: Mapping[str, str]) -> str:
    label = row.get("label", "")
    if not label.strip():
        raise DataError(f"{where}: empty label", hint="give every row a label, or leave the row out")
    if label != label.strip():
        raise DataError(f"{where}: the label {label!r} has spaces around it", hint="remove them")
    return label


def _split(where: str, row: Mapping[str, str]) -> str | None:
    name = row.get("split", "")
    if not name:
        return None
    if name.lower() not in SPLIT_NAMES:
        raise DataError(f"{where}: split is {name!r}; expected {', '.join(SPLIT_NAMES)}")
    return SPLIT_NAMES[name.lower()]
