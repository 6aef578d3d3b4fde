"""Content hashes: what makes two payloads the same, whatever they are called."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import DataError


def content_hash(payload: Any, where: str) -> str:
    """SHA-256 (hex) of a file's bytes, of bytes, of a text's UTF-8, or of an array's dtype, shape and
    elements.

    Raises DataError naming `where` for a file that cannot be read or a payload of another type.
    """
    if isinstance(payload, Path):
        return _file_hash(payload, where)
    if isinstance(payload, bytes):
        return hashlib.sha256(payload).hexdigest()
    if isinstance(payload, str):
        return hashlib.sha256(payload.encode()).hexdigest()
    if isinstance(payload, np.ndarray):
        head = f"{payload.dtype.str} {payload.shape}\n".encode()
        return hashlib.sha256(head + np.ascontiguousarray(payload).tobytes()).hexdigest()
    raise DataError(f"{where}: expected a path, bytes, text or a numpy array, received {type(payload).__name__}")


def _file_hash(path: Path, where: str) -> str:
    """Of a regular file; anything else (a folder, a pipe that would block) is refused."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{where}: not a regular file")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise DataError(f"{where}: cannot be read: {exc.strerror or exc}") from exc
