"""What goes into a run's files: text, and plain values for JSON; and objects from files that others may have written,
capped in size.

A file's name may be no UTF-8; Python holds each byte of it that is none as a lone surrogate (PEP 383). `as_bytes` and
`as_text` are for text that we read again, `escaped` is for people and other programs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.errors import DataError, HeadstartError

FILE_NAMES = "surrogateescape"
"""How text that we read again is encoded and decoded where it is no UTF-8."""


def read_object(path: Path, largest: int, error: type[HeadstartError] = DataError) -> dict[str, Any]:
    """The object in `path`, of at most `largest` bytes. Raises `error` naming the file and what is wrong with it."""
    try:
        if path.stat().st_size > largest:
            raise error(f"{path} is too large: {path.stat().st_size} bytes, at most {largest} are read")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise error(f"{path} is not readable JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise error(f"{path} should hold an object, holds {type(document).__name__}")
    return document


def as_bytes(text: str) -> bytes:
    """`text` as UTF-8, but for file names in it that are none: they keep their own bytes."""
    return text.encode("utf-8", FILE_NAMES)


def as_text(content: bytes) -> str:
    """What `as_bytes` wrote."""
    return content.decode("utf-8", FILE_NAMES)


def escaped(text: str) -> str:
    """`text` with what UTF-8 cannot hold written out, as `\\udce9`: within a JSON document this stands for itself."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain(value: Any) -> Any:
    """Plain Python values for JSON; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
