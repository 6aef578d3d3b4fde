"""Tables with a picture and its mask a row: CSV, TSV, JSONL or Parquet."""

from __future__ import annotations

import os
from pathlib import Path

from headstart.errors import DataError
from headstart.specs import Finding
from headstart.suggest import suggestion
from headstart_plugins._annotations.where import Data
from headstart_plugins._files.names import SPLIT_NAMES, side_of
from headstart_plugins._files.paths import PathOptions, Reading, as_written, read_paths
from headstart_plugins._files.tables import Table, TableForm, read_table
from headstart_plugins._mask_layouts import mask_column, picture_column
from headstart_plugins._masks.legend import Legend
from headstart_plugins._masks.pixels import count_files
from headstart_plugins.mask_files._classes import find_legend
from headstart_plugins.mask_files._options import MasksOptions
from headstart_plugins.mask_files._records import Found, Masked, with_counts


def read_masks(data: Data, table_file: Path, options: MasksOptions) -> tuple[Found, Legend]:
    """A picture and its mask a row, and what the values of masks mean. A picture may be there once.

    Raises DataError naming columns or the row for what cannot be read, and as `find_legend`.
    """
    table, pictures = _open(table_file, options)
    column = _named(table_file, table, options.mask_column or mask_column(table.columns), "mask")
    places = PathOptions(
        folder=options.masks, suffix="", unreadable=0.0, folder_option="masks", column_option="mask_column"
    )
    masks = read_paths(table_file, table, [[column]], places) or as_written(table_file, table, column, places)
    found = Found()
    for reading in (pictures, masks):
        if reading.how:
            told = f"column {reading.column!r} is read {reading.outcome}"
            found.told.findings.append(Finding("note", told, reading.found, " ".join(reading.settings) or None))
    counts = count_files(masks.files)
    legend = find_legend(data, dict(zip(masks.files, counts, strict=True)), options, found.told)
    seen: dict[str, int] = {}
    for (number, row), picture, mask, counted in zip(table.rows, pictures.files, masks.files, counts, strict=True):
        where = f"{table_file}: row {number}"
        for name in (pictures.column, column):
            if not row.get(name, "").strip():
                raise DataError(f"{where}: no {name}", hint="name a picture and its mask in each row")
        key = os.path.normpath(row[pictures.column].strip()).replace(os.sep, "/")
        if key in seen:
            raise DataError(f"{where}: {key!r} is already listed in row {seen[key]}", hint="keep one of them")
        seen[key] = number
        split = row.get("split", "").strip()
        if split and side_of(split) is None:
            raise DataError(f"{where}: split is {split!r}; expected {', '.join(SPLIT_NAMES)}")
        known = with_counts(legend, mask, counted)
        found.pictures.append(Masked(key, picture, known, side_of(split), row.get("group", "").strip() or None))
    return found, legend


def read_pictures(table_file: Path, options: MasksOptions) -> list[tuple[str, Path]]:
    """The pictures of a table alone, each with its key. Raises DataError as `read_masks`."""
    table, pictures = _open(table_file, options)
    rows = zip(table.rows, pictures.files, strict=True)
    return [(os.path.normpath(row[pictures.column].strip()).replace(os.sep, "/"), file) for (_, row), file in rows]


def _open(table_file: Path, options: MasksOptions) -> tuple[Table, Reading]:
    """A table, and where its column of pictures leads. Raises DataError where it has no rows or no such column."""
    table = read_table(table_file, TableForm(encoding=options.encoding, delimiter=options.delimiter))
    if not table.rows:
        raise DataError(f"{table_file}: a header and no rows")
    column = _named(table_file, table, options.path_column or picture_column(table.columns), "path")
    places = PathOptions(
        folder=options.images, suffix=options.suffix, unreadable=options.unreadable, folder_option="images"
    )
    return table, read_paths(table_file, table, [[column]], places) or as_written(table_file, table, column, places)


def _named(table_file: Path, table: Table, column: str | None, usual: str) -> str:
    """The column, which is there. Raises DataError where it is not."""
    if column in table.columns:
        return str(column)
    listed = ", ".join(map(repr, table.columns))
    hint = f"call it {usual}, or say which: --set dataset.{usual}_column=NAME"
    if column:
        hint = suggestion(column, table.columns) or hint
    raise DataError(f"{table_file}: no column {column or f'called {usual}'}; found {listed}", hint=hint)
