"""JSON objects from files that others may have written: capped in size, and told by name where they cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headstart.errors import DataError, HeadstartError


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
