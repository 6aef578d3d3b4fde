"""Targets as text: the labels or the number that one holds. For datasets, kinds of targets and tasks; no plugin."""

from __future__ import annotations

import math
import re

SEPARATOR = "|"
"""Stands between the labels of one record; text without any label is empty."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def labels_of(target: str) -> tuple[str, ...]:
    """The labels that are joined in a target, without spaces around them; none in an empty one."""
    return tuple(label for part in target.split(SEPARATOR) if (label := part.strip()))


def number_of(target: str) -> float | None:
    """The finite number that a target is, written as in "-3.5" or "1e3"; None where it is something else."""
    text = target.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None
