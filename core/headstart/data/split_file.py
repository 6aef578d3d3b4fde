"""split.csv: which sample is on which side, written once, hashed, and reused by everyone."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from headstart.atomic import write_file
from headstart.documents import as_bytes, as_text
from headstart.errors import DataError, HeadstartError

COLUMNS = ("key", "split", "target", "group", "content hash")
SPLITS = ("train", "val", "test")
HASHED = "sha256:"
"""Begins what there is of a target that is no text."""


@dataclass(frozen=True)
class SplitRow:
    """One sample: its key, its side ("train", "val" or "test"), label, group or None, and SHA-256 of its
    content."""

    key: str
    split: str
    target: str
    group: str | None
    content_hash: str


@dataclass(frozen=True)
class Split:
    """All samples of a run and their sides, sorted by key."""

    rows: tuple[SplitRow, ...]

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the bytes of split.csv."""
        return hashlib.sha256(split_bytes(self)).hexdigest()

    @property
    def counts(self) -> Mapping[str, int]:
        """Samples by side, in the order train, val, test."""
        sides = [row.split for row in self.rows]
        return {name: sides.count(name) for name in SPLITS}

    def only(self, *splits: str) -> Split:
        """The rows of the named sides alone."""
        return Split(tuple(row for row in self.rows if row.split in splits))


def split_bytes(split: Split) -> bytes:
    """The file's content: UTF-8, LF, columns as in COLUMNS; no group is an empty field."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in split.rows:
        writer.writerow((row.key, row.split, row.target, row.group or "", row.content_hash))
    return as_bytes(text.getvalue())


def write_split(split: Split, path: Path) -> None:
    """Write split.csv in one step. Raises HeadstartError naming the path where that fails."""
    write_file(path, split_bytes(split))


def read_split(path: Path) -> Split:
    """Read split.csv. Raises HeadstartError where it cannot be read, DataError naming the row that is
    damaged."""
    try:
        text = as_text(path.read_bytes())
    except OSError as exc:
        raise HeadstartError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        table = list(reader)
    except csv.Error as exc:
        raise DataError(f"{path}: line {reader.line_num} is no CSV: {exc}") from exc
    if not table or tuple(table[0]) != COLUMNS:
        raise DataError(f"{path}: expected the columns {', '.join(COLUMNS)}, received {table[:1]}")
    return Split(tuple(_row(path, number, fields) for number, fields in enumerate(table[1:], start=2)))


def _row(path: Path, number: int, fields: list[str]) -> SplitRow:
    if len(fields) != len(COLUMNS) or fields[1] not in SPLITS:
        raise DataError(f"{path}: row {number} is damaged: {fields}")
    key, split, target, group, content_hash = fields
    return SplitRow(key, split, target, group or None, content_hash)
