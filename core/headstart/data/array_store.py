"""Named arrays that are written once, row by row, and read often: samples, features, encoded targets.

They lie in the cache where they have a key and it can be written, for later runs too; else, while small, in memory, and
when large in nameless files below a scratch folder, gone with the process however it ends. Files are memory-mapped, so
that the memory of a process does not grow with the number of rows.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from headstart.atomic import explained
from headstart.cache import Cache
from headstart.errors import HeadstartError

IN_MEMORY = 32 * 1024**2
"""Bytes up to which arrays that are not in the cache stay in memory."""
NAMES = "arrays.json"
"""Names, dtypes and shapes of the arrays in a folder, written last: a folder without it is not finished."""

Arrays: TypeAlias = Mapping[str, np.ndarray]
Append: TypeAlias = Callable[[Arrays], None]
"""Adds rows (row, ...) at the end of the arrays named; the first call for a name settles its dtype and row shape."""
Fill: TypeAlias = Callable[[Append], None]
"""Writes all rows of all arrays."""


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
        with contextlib.suppress(FileNotFoundError):  # another process may clear the cache at any moment
            if found := self.cache.get(kind, key):
                return open_arrays(found)
        try:
            return open_arrays(self.cache.add(kind, key, lambda folder: _write(folder, fill), facts))
        except HeadstartError as exc:
            if type(exc) is not HeadstartError:  # the fault of the data or the engine, not of the disk
                raise
            self.warn(f"{exc.message}; {kind} are kept for this run alone")
        return self.keep(fill)

    def keep(self, fill: Fill) -> dict[str, np.ndarray]:
        """Arrays as `fill` writes them, for this process alone. Raises HeadstartError where `scratch` has no space."""
        kept = _Kept(self.scratch)
        try:
            fill(kept.append)
            return kept.arrays()
        finally:
            kept.close()


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


def _counted(columns: dict[str, _Column], arrays: Arrays) -> dict[str, np.ndarray]:
    """`arrays` with their rows contiguous, counted in `columns`."""
    found = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in found.items():
        columns.setdefault(name, _Column(array.dtype, array.shape[1:])).add(name, array)
    return found


def _bytes(array: np.ndarray) -> memoryview:
    """The bytes of a contiguous array, not copied; numpy's own buffers know no bfloat16."""
    return array.reshape(-1).view(np.uint8).data


@dataclass
class _Kept:
    """Rows in memory, moved to nameless files below `scratch` once they are more than IN_MEMORY bytes."""

    scratch: Path | None
    columns: dict[str, _Column] = field(default_factory=dict)
    parts: dict[str, list[np.ndarray]] = field(default_factory=dict)
    files: dict[str, IO[bytes]] = field(default_factory=dict)
    open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    size: int = 0
    is_large: bool = False

    def append(self, arrays: Arrays) -> None:
        """See `Append`."""
        for name, array in _counted(self.columns, arrays).items():
            if self.is_large:
                self._put(name, array)
            else:
                self.parts.setdefault(name, []).append(array.copy())
                self.size += array.nbytes
        if self.scratch is not None and self.size > IN_MEMORY and not self.is_large:
            self.is_large = True
            for name, parts in self.parts.items():
                for part in parts:
                    self._put(name, part)
            self.parts.clear()

    def _put(self, name: str, array: np.ndarray) -> None:
        if self.scratch is None:
            raise AssertionError("rows are moved to files only where there is a folder for them")
        with explained(self.scratch):
            if name not in self.files:
                self.scratch.mkdir(parents=True, exist_ok=True)
                self.files[name] = self.open.enter_context(_nameless(self.scratch))
            self.files[name].write(_bytes(array))

    def arrays(self) -> dict[str, np.ndarray]:
        """All rows of all arrays."""
        return {name: self._array(name, column) for name, column in self.columns.items()}

    def _array(self, name: str, column: _Column) -> np.ndarray:
        if 0 in column.whole:
            return np.empty(column.whole, column.dtype)
        if not self.is_large:
            return np.concatenate(self.parts[name])
        with explained(self.scratch or Path()):
            self.files[name].flush()
        return np.memmap(self.files[name], dtype=column.dtype, mode="r+", shape=column.whole)

    def close(self) -> None:
        """Let go of the files; what was mapped stays."""
        with contextlib.suppress(OSError):  # what could not be written was told when it was flushed
            self.open.close()


def _nameless(folder: Path) -> IO[bytes]:
    """A new file without a name."""
    return tempfile.TemporaryFile(dir=folder)


def _write(folder: Path, fill: Fill) -> None:
    """Write arrays as files of an empty folder, and then what they are."""
    columns: dict[str, _Column] = {}
    with contextlib.ExitStack() as stack:
        files: dict[str, IO[bytes]] = {}

        def append(arrays: Arrays) -> None:
            for name, array in _counted(columns, arrays).items():
                if name not in files:
                    files[name] = stack.enter_context((folder / f"{len(files)}.bin").open("wb"))
                files[name].write(_bytes(array))

        fill(append)
    document = {
        name: {"file": f"{place}.bin", "dtype": column.dtype.str, "shape": list(column.whole)}
        for place, (name, column) in enumerate(columns.items())
    }
    (folder / NAMES).write_text(json.dumps(document), encoding="utf-8")


def open_arrays(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a folder that was finished, mapped and read-only. Raises FileNotFoundError for another one."""
    document = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    return {name: _open(folder / facts["file"], facts) for name, facts in document.items()}


def _open(path: Path, facts: Mapping[str, Any]) -> np.ndarray:
    dtype, shape = np.dtype(facts["dtype"]), tuple(facts["shape"])
    return np.empty(shape, dtype) if 0 in shape else np.memmap(path, dtype=dtype, mode="r", shape=shape)
