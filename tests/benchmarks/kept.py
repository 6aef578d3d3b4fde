"""Measurements that outlive a killed benchmark: each is one line of a file, and is not taken again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Measured = dict[str, Any]


class Kept:
    """The finished measurements of one benchmark, by a key that names settings and round."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._found = dict(_complete(path))

    def once(self, key: str, measure: Callable[[], Measured]) -> Measured:
        """What was measured under `key` before, or is measured now and written down at once."""
        if key in self._found:
            print(f"{key}: measured before", file=sys.stderr)
            return self._found[key]
        print(key, end=" ... ", file=sys.stderr, flush=True)
        measured = measure()
        print(", ".join(f"{name} {value}" for name, value in measured.items()), file=sys.stderr, flush=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"key": key, "measured": measured}, allow_nan=False) + "\n")
        self._found[key] = measured
        return measured


def _complete(path: Path) -> list[tuple[str, Measured]]:
    """The lines of `path`; a last one that a kill cut short is taken off the file."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    rows = [json.loads(line) for line in whole.splitlines()]
    return [(row["key"], row["measured"]) for row in rows]
