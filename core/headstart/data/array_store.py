"""Named arrays that are written once, row by row, and read often: samples, features, encoded targets.

They lie in the cache where they have a key and it can be written, for later runs too; else, while small, in memory, and
when large in nameless files below a scratch folder, gone with the process however it ends. Files are memory-mapped, so
that the memory of a process does not grow with the number of rows.
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from headstart.atomic import explained
from headstart.cache import Cache
from headstart.errors import DataError, HeadstartError
from headstart.specs import Facts, TensorSpec

IN_MEMORY = 4 * 1024**2
"""Bytes up to which arrays that are not in the cache stay in memory."""
NAMES = "arrays.json"
"""Names, dtypes and shapes of the arrays in a folder, written last: a folder without it is not finished."""
BLOCK = 256
"""Rows of targets that are encoded at once."""

Arrays: TypeAlias = Mapping[str, np.ndarray]
Append: TypeAlias = Callable[[Arrays], None]
"""Adds rows (row, ...) at the end of the arrays named; the first call for a name settles its dtype and row shape."""
Fill: TypeAlias = Callable[[Append], None]
"""Writes all rows of all arrays."""
Encode: TypeAlias = Callable[[Sequence[Any], Sequence[Facts], Sequence[str]], Mapping[str, np.ndarray]]
"""Values, facts and keys of some rows to (row, ...) arrays by name, as `Task.encode`."""


def ignore(message: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class ArrayStore:
    """Where arrays are kept: in `cache`, or for this run alone below `scratch`; `warn` hears where the cache fails.

    Without a cache nothing is kept for later runs; without `scratch` what is not cached stays in memory.
    """

    cache: Cache | None = None
    scratch: Path | None = None
    warn: Callable[[str], None] = ignore

    def fetch(self, kind: str, key: Mapping[str, Any], facts: Mapping[str, Any], fill: Fill) -> dict[str, np.ndarray]:
        """The arrays of `key`, read-only from the cache, or as `fill` writes them.

        `kind` is that of cache entries, such as "samples"; `key` and `facts` are plain JSON values, and `facts` say to
        a person what the entry is. What `fill` raises passes through and leaves nothing behind.
        """
        if self.cache is None:
            return self.keep(fill)
        if (found := self.find(kind, key)) is not None:
            return found
        try:
            return open_arrays(self.cache.add(kind, key, lambda folder: _write(folder, fill), facts))
        except HeadstartError as exc:
            if type(exc) is not HeadstartError:  # the fault of the data or the engine, not of the disk
                raise
            self.warn(f"{exc.message}; {kind} are kept for this run alone")
        return self.keep(fill)

    def find(self, kind: str, key: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
        """The arrays of `key`, read-only from the cache; None where they are not there."""
        with contextlib.suppress(FileNotFoundError):  # another process may clear the cache at any moment
            if self.cache is not None and (found := self.cache.get(kind, key)):
                return open_arrays(found)
        return None

    def keep(self, fill: Fill) -> dict[str, np.ndarray]:
        """Arrays as `fill` writes them, for this process alone. Raises HeadstartError where `scratch` has no space."""
        rows = _Rows(self.scratch or Path(), math.inf if self.scratch is None else IN_MEMORY)
        try:
            fill(rows.append)
            return rows.arrays()
        finally:
            with contextlib.suppress(OSError):  # what could not be written was told when it was flushed
                rows.open.close()  # what was mapped stays


def encode_targets(
    encode: Encode,
    specs: Mapping[str, TensorSpec],
    *,
    values: Sequence[Any],
    facts: Sequence[Facts],
    keys: Sequence[str],
    store: ArrayStore,
) -> dict[str, np.ndarray]:
    """The encoded targets of rows, (row, ...) by name, as `specs` say: in memory while small, in files when large.

    `values`, `facts` and `keys` are parallel, by row; `values` may read each when it is asked for. Only BLOCK rows are
    held beside the arrays. Raises DataError for a row that needs more places than a spec with `room` has, ValueError
    where `encode` gives other names, shapes or dtypes than `specs`.
    """

    def fill(append: Append) -> None:
        append({name: np.empty((0, *spec.shape), spec.dtype) for name, spec in specs.items()})
        for start in range(0, len(keys), BLOCK):
            rows = slice(start, start + BLOCK)
            block = list(values[rows])  # each value is read once
            found = encode(block, facts[rows], keys[rows])
            if found.keys() != specs.keys():
                raise ValueError(f"encoded targets are {sorted(found)}; expected {sorted(specs)}")
            for name, spec in specs.items():
                if spec.room is not None and found[name].shape[1] > spec.shape[0]:
                    alone = [
                        encode([value], [fact], [key])[name].shape[1]
                        for value, fact, key in zip(block, facts[rows], keys[rows], strict=True)
                    ]
                    widest = max(alone)
                    raise DataError(
                        f"{keys[rows][alone.index(widest)]} needs room for {widest} {name}, and {spec.shape[0]} are "
                        "learned of a sample",
                        hint=f"--set {spec.room}={widest}",
                    )
            append(found)

    return store.keep(fill)


@dataclass
class _Column:
    """The rows of one array as they come: their dtype and shape, and how many there are."""

    dtype: np.dtype
    shape: tuple[int, ...]
    rows: int = 0

    def add(self, name: str, rows: np.ndarray) -> None:
        """Count more rows. Raises ValueError where they are not like the first."""
        if (rows.dtype, rows.shape[1:]) != (self.dtype, self.shape):
            raise ValueError(
                f"{name}: rows of {rows.dtype} {rows.shape[1:]} after rows of {self.dtype} {self.shape}; "
                "all must be alike"
            )
        self.rows += len(rows)

    @property
    def whole(self) -> tuple[int, ...]:
        """The shape of the whole array."""
        return (self.rows, *self.shape)


@dataclass
class _Rows:
    """The rows of all arrays as they come: `in_memory` bytes of them there, and once they are more all in files.

    The files lie in `folder`: nameless ones or, where they are `named`, 0.bin, 1.bin, ...
    """

    folder: Path
    in_memory: float
    named: bool = False
    columns: dict[str, _Column] = field(default_factory=dict)
    parts: dict[str, list[np.ndarray]] = field(default_factory=dict)
    files: dict[str, IO[bytes]] = field(default_factory=dict)
    open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    size: int = 0

    def append(self, arrays: Arrays) -> None:
        """See `Append`."""
        for name, array in arrays.items():
            rows = np.asarray(array, order="C")
            self.columns.setdefault(name, _Column(rows.dtype, rows.shape[1:])).add(name, rows)
            self.size += rows.nbytes
            if self.size <= self.in_memory:
                self.parts.setdefault(name, []).append(rows.copy())
                continue
            for earlier, parts in self.parts.items():
                for part in parts:
                    self._write(earlier, part)
            self.parts.clear()
            self._write(name, rows)

    def _write(self, name: str, rows: np.ndarray) -> None:
        with explained(self.folder):
            if name not in self.files:
                self.files[name] = self.open.enter_context(self._new_file())
            self.files[name].write(rows.reshape(-1).view(np.uint8).data)  # numpy's own buffers know no bfloat16

    def _new_file(self) -> IO[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.named:
            return (self.folder / f"{len(self.files)}.bin").open("wb")
        return tempfile.TemporaryFile(dir=self.folder)

    def arrays(self) -> dict[str, np.ndarray]:
        """All rows of all arrays; of named files `open_arrays` gives them."""
        found: dict[str, np.ndarray] = {}
        for name, column in self.columns.items():
            if 0 in column.whole:
                found[name] = np.empty(column.whole, column.dtype)
            elif name in self.parts:
                found[name] = np.concatenate(self.parts[name])
            else:
                with explained(self.folder):
                    self.files[name].flush()
                found[name] = np.memmap(self.files[name], dtype=column.dtype, mode="r+", shape=column.whole)
        return found


def _write(folder: Path, fill: Fill) -> None:
    """Write arrays as files of an empty folder, and then what they are."""
    rows = _Rows(folder, in_memory=0, named=True)
    with rows.open:
        fill(rows.append)
    document = {
        name: {"file": f"{place}.bin", "dtype": column.dtype.str, "shape": list(column.whole)}
        for place, (name, column) in enumerate(rows.columns.items())
    }
    (folder / NAMES).write_text(json.dumps(document), encoding="utf-8")


def open_arrays(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a folder that was finished, mapped and read-only. Raises FileNotFoundError for another one."""
    document = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    return {name: _open(folder / facts["file"], facts) for name, facts in document.items()}


def _open(path: Path, facts: Mapping[str, Any]) -> np.ndarray:
    dtype, shape = np.dtype(facts["dtype"]), tuple(facts["shape"])
    return np.empty(shape, dtype) if 0 in shape else np.memmap(path, dtype=dtype, mode="r", shape=shape)
