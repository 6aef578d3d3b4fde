"""Reads the file of a CTranslate2 model as numpy arrays: nothing of it is executed, and CTranslate2 is not needed.

Version 6 of the format: a uint32 version, the name of the model's kind, a uint32 revision, then the arrays - each a
name, a uint8 rank, so many uint32 sizes, a uint8 type, a uint32 count of bytes, the bytes, C order and little-endian -
and a list of other names for them. Names are a uint16 length and that many bytes, the last of them 0. Checked against
`ctranslate2` 4 and its converter's source (`python/ctranslate2/specs/model_spec.py`, MIT).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headstart.errors import MissingWeightsError, WrongWeightsError

VERSION = 6
TYPES: Mapping[int, str] = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}
"""By the number that the format has for them; bfloat16, 5, has none in numpy."""
BFLOAT16 = 5
MOST_ARRAYS, MOST_AXES, MOST_BYTES = 100_000, 8, 16 << 30
HINT = "expected model.bin of a model in CTranslate2's format, version 6"


@dataclass(frozen=True)
class CTranslateFile:
    """A file as read: the `kind` of model that it names, and its `arrays` by name, as they are stored."""

    path: Path
    kind: str
    arrays: Mapping[str, np.ndarray]


def read_ctranslate_file(path: Path) -> CTranslateFile:
    """Every array of `path`, as read-only views of its mapped memory; of bfloat16 as float32.

    Raises MissingWeightsError where there is no such file, WrongWeightsError, naming the place, for what is no such
    file, is of another version, or ends before its arrays do.
    """
    try:
        size = path.stat().st_size
        if not 0 < size <= MOST_BYTES:
            raise ValueError(f"it has {size:,} bytes, expected 1 to {MOST_BYTES:,}")
        return _Reader(path, np.memmap(path, np.uint8, "r")).read()
    except FileNotFoundError as exc:
        raise MissingWeightsError(f"there is no weights file {path}", hint="check the path") from exc
    except (OSError, ValueError, struct.error) as exc:
        raise WrongWeightsError(f"{path} cannot be read as a CTranslate2 model: {exc}", hint=HINT) from exc


class _Reader:
    def __init__(self, path: Path, content: np.ndarray) -> None:
        self._path, self._content, self._place = path, content, 0

    def read(self) -> CTranslateFile:
        version = self._number("I")
        if version != VERSION:
            raise ValueError(f"version {version}, expected {VERSION}")
        kind = self._name()
        self._number("I")  # the revision of the kind, by which converters add settings
        count = self._number("I")
        if count > MOST_ARRAYS:
            raise ValueError(f"it claims {count:,} arrays at byte {self._place - 4}")
        arrays: dict[str, np.ndarray] = {}
        for _ in range(count):
            name = self._name()
            if name in arrays:
                raise ValueError(f"{name} is there twice")
            arrays[name] = self._array(name)
        for _ in range(self._number("I") if self._place < len(self._content) else 0):
            alias, name = self._name(), self._name()
            if name not in arrays:
                raise ValueError(f"{alias} is another name of {name}, which is not there")
            arrays[alias] = arrays[name]
        if self._place != len(self._content):
            raise ValueError(f"{len(self._content) - self._place} bytes follow its end")
        return CTranslateFile(self._path, kind, arrays)

    def _array(self, name: str) -> np.ndarray:
        rank = self._number("B")
        if rank > MOST_AXES:
            raise ValueError(f"{name} has {rank} axes")
        shape = [self._number("I") for _ in range(rank)]
        number, length = self._number("B"), self._number("I")
        kind = "<u2" if number == BFLOAT16 else TYPES.get(number)
        if kind is None:
            raise ValueError(f"{name} is of type {number}, known are {', '.join(map(str, (*TYPES, BFLOAT16)))}")
        if length != math.prod(shape) * np.dtype(kind).itemsize:
            raise ValueError(f"{name} of shape {tuple(shape)} has {length} bytes")
        raw = self._bytes(length).view(kind).reshape(shape)
        return (raw.astype(np.uint32) << 16).view(np.float32) if number == BFLOAT16 else raw

    def _name(self) -> str:
        raw = self._bytes(self._number("H")).tobytes()
        if not raw.endswith(b"\0"):
            raise ValueError(f"a name at byte {self._place - len(raw)} does not end in 0")
        return raw[:-1].decode("ascii")

    def _number(self, kind: str) -> int:
        (number,) = struct.unpack(f"<{kind}", self._bytes(struct.calcsize(kind)).tobytes())
        return int(number)

    def _bytes(self, count: int) -> np.ndarray:
        if count > len(self._content) - self._place:
            raise ValueError(f"it ends at byte {len(self._content)}, where {count} more are due at {self._place}")
        found = self._content[self._place : self._place + count]
        self._place += count
        return found
