"""Names of classes and labels: their order, and how they are kept with an artefact. For tasks; no plugin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headstart.errors import DataError

MAX_NAMES = 100_000


def natural_order(name: str) -> tuple[object, ...]:
    """A sort key that reads runs of digits as numbers: "2" < "10", "a9" < "a10"; ties by the text."""
    parts = re.split(r"([0-9]+)", name)
    numbers = [(len(part.lstrip("0")), part.lstrip("0")) for part in parts[1::2]]
    texts = parts[0::2]
    pairs = zip(texts, [*numbers, (0, "")], strict=True)
    return (*(value for pair in pairs for value in pair), name)


def stored_names(labels: Mapping[str, Any], *, fewest: int) -> tuple[str, ...]:
    """`classes` of labels.json, in stored order. Raises DataError where it is no list of `fewest` different names or
    more."""
    names = labels.get("classes")
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise DataError(f"labels must hold `classes`, a list of names; received {str(names)[:80]!r}")
    if not fewest <= len(names) <= MAX_NAMES or len(set(names)) != len(names):
        raise DataError(
            f"labels must hold from {fewest} to {MAX_NAMES} different names; received {len(names)}, "
            f"{len(set(names))} of them different"
        )
    return tuple(names)
