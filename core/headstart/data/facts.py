"""What is read row by row when it is asked for, so that memory stays flat; facts lie as JSON lines in one array."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, overload

import numpy as np

from headstart.specs import Facts

T = TypeVar("T")

TEXT, ENDS = "/facts", "/facts.ends"
"""The lines one after the other, (byte,) uint8, and where each ends, (row,) int64."""


def facts_arrays(facts: Sequence[Facts], size: int) -> dict[str, np.ndarray]:
    """Both arrays for some rows, to be appended where `size` bytes are written already.

    Raises TypeError or ValueError for facts that are no plain JSON values.
    """
    lines = [(json.dumps(dict(each), allow_nan=False) + "\n").encode() for each in facts]
    ends = size + np.cumsum([len(line) for line in lines], dtype=np.int64)
    return {TEXT: np.frombuffer(b"".join(lines), np.uint8), ENDS: ends}


class Picked(Sequence[T]):
    """What `read` gives for some `rows` (row,) int64, read when it is asked for."""

    def __init__(self, read: Callable[[int], T], rows: Sequence[int] | np.ndarray) -> None:
        self._read, self._rows = read, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return Picked(self._read, self._rows[place])
        return self._read(int(self._rows[place]))


def stored_facts(arrays: Mapping[str, np.ndarray]) -> Sequence[Facts]:
    """The facts of each row, from `arrays` that hold TEXT and ENDS."""
    text, ends = arrays[TEXT], arrays[ENDS]

    def read(row: int) -> Facts:
        start = int(ends[row - 1]) if row else 0
        found: Facts = json.loads(text[start : int(ends[row])].tobytes())
        return found

    return Picked(read, range(len(ends)))
