"""A PNG without the parts that no pixel depends on: colour profiles, texts and others may be huge or damaged."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FRAME = 12
"""Bytes of a chunk beside its data: its length and name before, a checksum behind (PNG, third edition, 5.3)."""
MAX_METADATA = 2**20
"""Bytes of all that no pixel depends on, above which it is not read at all."""
SMALL = 2**16
"""Bytes of EXIF data that are kept: so many a JPEG can hold."""


@dataclass(frozen=True)
class LeanPng:
    """`stream` reads as the same PNG without what no pixel depends on, of which there are `left_out` bytes."""

    stream: BinaryIO
    left_out: int


def lean_png(stream: BinaryIO) -> LeanPng | None:
    """What is left of a PNG without metadata, copied nowhere; None for other files, and where nothing is left out.

    Critical chunks stay as they are, and tRNS, which changes pixels; acTL says that there are more frames, and eXIf
    which side is up, where they are sound. Only the heads of chunks are read.
    """
    stream.seek(0)
    if stream.read(len(SIGNATURE)) != SIGNATURE:
        return None
    kept, left_out = [(0, len(SIGNATURE))], 0
    for name, start, length in _chunks(stream):
        if name[0] & 0x20 == 0 or name == b"tRNS" or (name in (b"acTL", b"eXIf") and _is_sound(stream, start, length)):
            kept.append((start, length))
        else:
            left_out += length
    return LeanPng(io.BufferedReader(_Spans(stream, kept)), left_out) if left_out else None


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length, as far as the file goes, of each chunk up to the end of the picture."""
    end = stream.seek(0, io.SEEK_END)
    start, name = len(SIGNATURE), b""
    while start < end and name != b"IEND":
        stream.seek(start)
        size, name = struct.unpack(">I4s", stream.read(8).ljust(8, b"\0"))
        yield name, start, min(size + FRAME, end - start)
        start += size + FRAME


def _is_sound(stream: BinaryIO, start: int, length: int) -> bool:
    """Whether a chunk is small, whole, and what its checksum says."""
    if not FRAME < length <= SMALL + FRAME:
        return False
    stream.seek(start + 4)
    content = stream.read(length - 4)
    return zlib.crc32(content[:-4]) == int.from_bytes(content[-4:], "big")


class _Spans(io.RawIOBase):
    """Reads spans (start, length) of a stream as one file."""

    def __init__(self, stream: BinaryIO, spans: Sequence[tuple[int, int]]) -> None:
        self._stream, self._spans = stream, spans
        self._ends = list(itertools.accumulate(length for _, length in spans))
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._ends[-1]}[whence]
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a buffer in C is a memoryview here
        span = bisect_right(self._ends, self._place)
        if span == len(self._spans):
            return 0
        start, length = self._spans[span]
        left = self._ends[span] - self._place
        self._stream.seek(start + length - left)
        content = self._stream.read(min(left, len(buffer)))
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)
