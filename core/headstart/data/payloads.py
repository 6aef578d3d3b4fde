"""Payloads that lie inside another file, brought into memory for who reads or hashes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.errors import DataError
from headstart.specs import Stored


def in_memory(payload: Any) -> Any:
    """`payload` with the bytes in place of what is Stored, in a tuple, list or mapping too; all else as it is.

    Raises DataError naming the file and the place in it for what cannot be read.
    """
    if isinstance(payload, Stored):
        try:
            return payload.read()
        except OSError as exc:
            raise DataError(f"{payload}: cannot be read: {exc.strerror or exc}") from exc
    if isinstance(payload, tuple | list):
        parts = [in_memory(each) for each in payload]
        is_same = all(part is each for part, each in zip(parts, payload, strict=True))  # also of another class
        return payload if is_same else tuple(parts)
    if isinstance(payload, Mapping):
        named = {name: in_memory(each) for name, each in payload.items()}
        return payload if all(named[name] is payload[name] for name in named) else named
    return payload
