"""The facts of rows, as JSON lines in one array: parsed when they are asked for, so that memory stays flat."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import overload

import numpy as np

from headstart.specs import Facts

TEXT, ENDS = "/facts", "/facts.ends"
"""The lines one after the other, (byte,) uint8, and where each ends, (row,) int64."""


def facts_arrays(facts: Sequence[Facts], size: int) -> dict[str, np.ndarray]:
    """Both arrays for some rows, to be appended where `size` bytes are written already.

    Raises TypeError or ValueError for facts that are no plain JSON values.
    """
    lines = [(json.dumps(dict(each), allow_nan=False) + "\n").encode() for each in facts]
    ends = size + np.cumsum([len(line) for line in lines], dtype=np.int64)
    return {TEXT: np.frombuffer(b"".join(lines), np.uint8), ENDS: ends}


class RowFacts(Sequence[Facts]):
    """The facts of each row, from `arrays` that hold TEXT and ENDS."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._text, self._ends = arrays[TEXT], arrays[ENDS]

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, row: int) -> Facts: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Facts]: ...

    def __getitem__(self, row: int | slice) -> Facts | Sequence[Facts]:
        if isinstance(row, slice):
            return [self[each] for each in range(len(self))[row]]
        place = range(len(self))[row]
        start = int(self._ends[place - 1]) if place else 0
        found: Facts = json.loads(self._text[start : int(self._ends[place])].tobytes())
        return found


class Picked(Sequence[Facts]):
    """Those of some `rows` (row,) int64 among `facts`, read when they are asked for."""

    def __init__(self, facts: Sequence[Facts], rows: np.ndarray) -> None:
        self._facts, self._rows = facts, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Facts: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Facts]: ...

    def __getitem__(self, place: int | slice) -> Facts | Sequence[Facts]:
        if isinstance(place, slice):
            return Picked(self._facts, self._rows[place])
        return self._facts[int(self._rows[place])]
