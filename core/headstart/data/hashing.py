"""Content hashes: what makes two payloads, or two targets, the same, whatever they are called."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.payloads import in_memory
from headstart.data.split_file import HASHED
from headstart.documents import as_bytes
from headstart.errors import DataError
from headstart.specs import Stored


def content_hash(payload: Any, where: str) -> str:
    """SHA-256 (hex) of a file's bytes, of bytes (Stored ones too), of a text's UTF-8, or of an array's dtype, shape and
    elements.

    Of several (a tuple, a list or a mapping with names, within each other too) that of what each is, in order; a
    mapping's order does not matter. There may be numbers and None in them. Raises DataError naming `where` for a file
    that cannot be read or a payload of another type.
    """
    if isinstance(payload, Path):
        try:
            if not stat.S_ISREG(payload.stat().st_mode):
                raise DataError(f"{where}: not a regular file")  # a folder, or a pipe that would block
            with payload.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as exc:
            raise DataError(f"{where}: cannot be read: {exc.strerror or exc}") from exc
    if isinstance(payload, str):
        return hashlib.sha256(as_bytes(payload)).hexdigest()
    if isinstance(payload, bytes | Stored):
        return hashlib.sha256(in_memory(payload)).hexdigest()
    if isinstance(payload, np.ndarray) and payload.dtype != object:
        head = f"{payload.dtype.str} {payload.shape}\n".encode()
        return hashlib.sha256(head + np.ascontiguousarray(payload).tobytes()).hexdigest()
    return hashlib.sha256(b"\0headstart\0" + json.dumps(_described(payload, where)).encode()).hexdigest()


def written_target(target: Any, where: str) -> str:
    """A target as split.csv holds it: the text itself, or HASHED and the hash of its content; None is empty text."""
    if target is None or isinstance(target, str):
        return target or ""
    return HASHED + content_hash(target, where)


def _described(payload: Any, where: str) -> Any:
    """A payload as JSON in which no two that differ look alike: each with its type, contents as their hash."""
    if payload is None or isinstance(payload, bool):
        return payload
    if isinstance(payload, np.generic):
        payload = payload.item()
    if isinstance(payload, int | float):
        return [type(payload).__name__, repr(payload)]
    if isinstance(payload, tuple | list):
        return ["several", [_described(each, f"{where}, part {place}") for place, each in enumerate(payload)]]
    if isinstance(payload, Mapping) and all(isinstance(name, str) for name in payload):
        parts = [[name, _described(payload[name], f"{where}, {name}")] for name in sorted(payload)]
        return ["named", parts]
    is_array = isinstance(payload, np.ndarray) and payload.dtype != object
    if is_array or isinstance(payload, Path | bytes | Stored | str):
        kind = "text" if isinstance(payload, str) else "array" if is_array else "bytes"
        return [kind, content_hash(payload, where)]
    raise DataError(
        f"{where}: expected a path, bytes, text, a numpy array or number, or a tuple or mapping of these, "
        f"received {type(payload).__name__}"
    )
