"""What is read row by row when it is asked for, so that memory stays flat; facts lie as JSON lines in one array."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar, overload

import numpy as np

from headstart.specs import Facts

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

TEXT, ENDS = "/facts", "/facts.ends"
"""The lines one after the other, (byte,) uint8, and where each ends, (row,) int64."""


def facts_arrays(facts: Sequence[Facts], size: int) -> dict[str, np.ndarray]:
    """Both arrays for some rows, to be appended where `size` bytes are written already.

    Raises TypeError or ValueError for facts that are no plain JSON values.
    """
    lines = [(json.dumps(dict(each), allow_nan=False) + "\n").encode() for each in facts]
    ends = size + np.cumsum([len(line) for line in lines], dtype=np.int64)
    return {TEXT: np.frombuffer(b"".join(lines), np.uint8), ENDS: ends}


class FactLines:
    """The facts of each row, from `arrays` that hold TEXT and ENDS."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._text, self._ends = arrays[TEXT], arrays[ENDS]

    def __getitem__(self, row: int) -> Facts:
        start = int(self._ends[row - 1]) if row else 0
        found: Facts = json.loads(self._text[start : int(self._ends[row])].tobytes())
        return found


class ByRow(Protocol[T_co]):
    """What has something for each row."""

    def __getitem__(self, row: int, /) -> T_co: ...


class Picked(Sequence[T]):
    """Those of some `rows` (row,) int64 of `source`, read when they are asked for."""

    def __init__(self, source: ByRow[T], rows: Sequence[int] | np.ndarray) -> None:
        self._source, self._rows = source, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return Picked(self._source, self._rows[place])
        return self._source[int(self._rows[place])]
