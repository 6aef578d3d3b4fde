"""What goes into JSON, as plain values; and objects from files that others may have written, capped in size."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
