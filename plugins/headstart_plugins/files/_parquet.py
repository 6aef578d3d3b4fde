"""Pictures inside Parquet files to records; read in place, a few at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from headstart.data.folders import walk
from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Record, Records, Skipped, Stored
from headstart_plugins._files.given import PARQUET, given_path
from headstart_plugins._files.names import side_in
from headstart_plugins.files import ParquetOptions
from headstart_plugins.files._inside import AGAIN, require_size, require_unchanged, state_of
from headstart_plugins.files._schema import features_of, picture_columns

if TYPE_CHECKING:
    import pyarrow

ROWS, RECENT = 32, 8
"""Pictures that are read at once, and how many times that stay in memory: threads ask nearly in order."""
BUFFER = 64 * 1024
"""Bytes that are read ahead; without it a column of a whole group is."""
NO_LABEL = -1
"""What the Hub's class labels are where nobody knows them."""
HINT = "expected a column of pictures, as bytes or as the Hub's images, and one of labels"


def build(request: DatasetRequest) -> Records:
    """Records of a file or of all files below a folder; key: the file and the row, as in `train-0.parquet/row-000001`.
    In a folder the side is the first word of a file's name, or of its folders', that means one.

    The column of pictures holds bytes, or {bytes, path} as the Hub's images do. Whole numbers whose names stand in the
    file are labels by these names. Raises UsageError for an absent path, a missing extra or column; DataError naming
    the file or row for what cannot be read, files that do not fit each other, and labels that are none.
    """
    options: ParquetOptions = request.options if request.options is not None else ParquetOptions()
    path = given_path(request.reference, usage="parquet:PATH")
    paths = [path]
    if path.is_dir():  # the Hub's cache holds links to its files
        paths = [file for file in walk(path, links="follow").files if file.suffix.lower() == PARQUET]
    if not paths:
        raise DataError(f"{path}: no file ends in {PARQUET}")
    root = path if path.is_dir() else path.parent
    sides = _sides(root, paths) if path.is_dir() and request.labelled else {}
    cells = _Cells()
    skipped: list[Skipped] = []
    items: list[Record] = []
    shards = [_shard(each, options, labelled=request.labelled) for each in paths]
    for shard in shards:
        if shard.classes != shards[0].classes:
            raise DataError(f"{shard.path} and {paths[0]} name other classes", hint="open them one by one")
        if request.labelled and shard.labels and all(label in (None, NO_LABEL) for label in shard.labels):
            skipped.append(Skipped(str(shard.path), f"its {len(shard.labels)} rows have no label"))
            continue
        name = shard.path.relative_to(root).as_posix()
        for number, (group, row) in enumerate(shard.places, start=1):
            where = f"{shard.path}: row {number}"
            payload = Stored(where, partial(cells.read, shard, group, row, where))
            target = shard.label(number - 1, where) if request.labelled else None
            items.append(Record(f"{name}/row-{number:06d}", payload, target, split=sides.get(shard.path)))
    if not items:
        raise DataError(f"{path}: no rows with a label" if request.labelled else f"{path}: no rows")
    targets = "targets/class" if request.labelled and shards[0].classes else None
    return Records("image", tuple(items), options.symmetries, tuple(skipped), targets=targets, tolerances=options)


@dataclass(frozen=True, eq=False)
class _Shard:
    """One file: which leaf of it holds the bytes, its labels as they are, and what they are called."""

    path: Path
    state: tuple[int, ...]
    leaf: str
    groups: tuple[int, ...]
    labels: Sequence[Any] = ()
    classes: tuple[str, ...] = ()

    @property
    def places(self) -> Iterator[tuple[int, int]]:
        """Row group and row in it, of each row."""
        return ((group, row) for group, count in enumerate(self.groups) for row in range(count))

    def label(self, place: int, where: str) -> str:
        """The label of a row as text."""
        label = self.labels[place]
        if self.classes and isinstance(label, int):
            if not 0 <= label < len(self.classes):
                hint = "leave the row out, or give it a label"
                raise DataError(f"{where}: label {label}; the file names 0 to {len(self.classes) - 1}", hint=hint)
            return self.classes[label]
        if isinstance(label, str) and label and label == label.strip():
            return label
        if isinstance(label, float) and math.isfinite(label):
            return repr(label)
        if isinstance(label, int) and not isinstance(label, bool):
            return str(label)
        hint = "--set dataset.label_column=NAME names another column"
        raise DataError(f"{where}: label is {label!r:.80}; expected a number, or text without spaces around", hint=hint)


def _shard(path: Path, options: ParquetOptions, *, labelled: bool) -> _Shard:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise UsageError(f"{path}: reading Parquet needs pyarrow", hint="pip install 'headstart[parquet]'") from exc
    with _explained(path):
        state = state_of(path)
        file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
        schema, metadata = file.schema_arrow, file.metadata
        groups = tuple(metadata.row_group(each).num_rows for each in range(metadata.num_row_groups))
    image = _chosen(path, schema, options.image_column, picture_columns(schema), "image_column")
    is_nested = pyarrow.types.is_struct(schema.field(image).type)
    shard = _Shard(path, state, f"{image}.bytes" if is_nested else image, groups)
    if not labelled:
        return shard
    features = features_of(schema)
    named = {name: tuple(each["names"]) for name, each in features.items() if each.get("_type") == "ClassLabel"}
    usual = [name for name in ("label", "labels") if name in schema.names][:1]
    label = _chosen(path, schema, options.label_column, usual or list(named), "label_column")
    with _explained(path):
        labels = file.read(columns=[label]).column(0).to_pylist()
    return _Shard(path, state, shard.leaf, groups, labels, named.get(label, ()))


def _chosen(path: Path, schema: pyarrow.Schema, chosen: str, fitting: Sequence[str], setting: str) -> str:
    """The column that the user has `chosen`, or the only one that is `fitting`."""
    columns = ", ".join(map(repr, schema.names))
    if chosen and chosen not in schema.names:
        raise UsageError(f"{path}: no column {chosen!r}; found {columns}")
    if chosen or len(fitting) == 1:
        return chosen or fitting[0]
    what = setting.replace("_", " ").replace("image column", "column of pictures")
    found = f"{len(fitting)} could be the {what}: {', '.join(fitting)}" if fitting else f"no {what} among {columns}"
    raise DataError(f"{path}: {found}", hint=f"--set dataset.{setting}=NAME says which it is")


def _sides(root: Path, paths: Sequence[Path]) -> Mapping[Path, str]:
    """The side of each file; none where no name means one. Raises DataError where some do and some do not, and for
    sides without train."""
    found = {path: side_in(path.relative_to(root)) for path in paths}
    sides = {path: side for path, side in found.items() if side is not None}
    if sides and len(sides) < len(paths):
        odd = next(path for path in paths if path not in sides)
        raise DataError(f"{odd}: its name means no side of a split, as others do", hint="move or rename what is none")
    if sides and "train" not in sides.values():
        raise DataError(f"{root}: {', '.join(sorted(set(sides.values())))}, but no train file", hint="name one file")
    return sides


@dataclass(eq=False)
class _Cells:
    """Reads pictures of Parquet files, which can only be read forwards: a few at a time, and the last few are kept, for
    threads that ask in nearly this order. Another order costs time, not memory."""

    lock: Lock = field(default_factory=Lock)
    group: tuple[Path, int] | None = None
    batches: Iterator[Any] = field(default_factory=lambda: iter(()))
    next_row: int = 0
    recent: deque[tuple[tuple[Path, int] | None, int, Any]] = field(default_factory=lambda: deque(maxlen=RECENT))

    def read(self, shard: _Shard, group: int, row: int, where: str) -> bytes:
        with self.lock, _explained(where):
            content = self._cell((shard.path, group), row, shard.leaf)
        require_unchanged(shard.path, shard.state)
        if content is None:
            hint = "embed the pictures when the file is written, or leave the row out"
            raise DataError(f"{where}: no bytes of a picture, or only its path", hint=hint)
        require_size(where, len(content))
        return content

    def _cell(self, group: tuple[Path, int], row: int, leaf: str) -> bytes | None:
        import pyarrow.parquet

        for of, start, cells in self.recent:
            if of == group and start <= row < start + len(cells):
                return _value(cells, row - start)
        if group != self.group or row < self.next_row:
            file = pyarrow.parquet.ParquetFile(group[0], pre_buffer=False, buffer_size=BUFFER)
            self.batches = file.iter_batches(ROWS, row_groups=[group[1]], columns=[leaf], use_threads=False)
            self.group, self.next_row = group, 0
        while True:
            cells = next(self.batches).column(0)
            start, self.next_row = self.next_row, self.next_row + len(cells)
            if row < self.next_row:
                self.recent.append((group, start, cells))
                return _value(cells, row - start)


def _value(cells: Any, place: int) -> bytes | None:
    value = cells[place].as_py()
    content: bytes | None = value["bytes"] if isinstance(value, dict) else value
    return content


@contextmanager
def _explained(where: Path | str) -> Iterator[None]:
    """Raise what is wrong with a file as a DataError."""
    import pyarrow

    try:
        yield
    except (OSError, ValueError, StopIteration, pyarrow.ArrowException) as exc:
        raise DataError(f"{where}: no readable Parquet file: {exc}", hint=AGAIN) from exc
