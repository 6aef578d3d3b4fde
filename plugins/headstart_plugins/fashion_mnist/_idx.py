"""A strict reader of IDX files, gzip or not (LeCun, "The MNIST database", file formats)."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from headstart.errors import DataError

GZIP = b"\x1f\x8b"
UNSIGNED_BYTES = 0x08
MAX_BYTES = 1 << 30
"""Largest content that is read, unpacked; Fashion-MNIST's largest file has 47 MB."""


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """A uint8 array with `dimensions` axes, big-endian sizes from the header.

    Raises DataError naming the file and what was found where the magic number, the sizes or the length are
    wrong, or the file is truncated or no valid gzip.
    """
    content = _content(path)
    head = 4 + 4 * dimensions
    if len(content) < head:
        raise DataError(f"{path}: {len(content)} bytes; the header of an IDX file alone has {head}")
    expected = UNSIGNED_BYTES << 8 | dimensions
    magic, *sizes = struct.unpack(f">{1 + dimensions}I", content[:head])
    if magic != expected:
        raise DataError(f"{path}: magic number {magic:#010x}; expected {expected:#010x}")
    if len(content) - head != math.prod(sizes):
        shape = " x ".join(map(str, sizes))
        raise DataError(
            f"{path}: header says {shape} = {math.prod(sizes)} bytes, found {len(content) - head}",
            hint="the file is truncated or damaged: fetch it again",
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(sizes)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP)) == GZIP
            file.seek(0)
            if not packed:
                content = file.read(MAX_BYTES + 1)
            else:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    content = unpacked.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as exc:
        raise DataError(f"{path}: cannot be read: {exc}", hint="fetch the file again") from exc
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: more than {MAX_BYTES} bytes unpacked")
    return content
