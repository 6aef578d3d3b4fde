"""Numbers as people read them; None is a dash."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

NOTHING = "\u2013"
SHARES = ("accuracy", "f1", "precision", "recall", "iou", "boundary_f")
"""Metrics whose names end so lie between 0 and 1."""
BOXES = re.compile(r"(voc_)?(map|ar)\d*(_\w+)?")
"""So do those of boxes: map50, map_small, ar100, voc_map_11."""
SMALLEST, LARGEST = 1e-3, 1e6
"""From where to where fixed digits show a number."""


def printable(text: object) -> str:
    """`text` with everything that a terminal would obey, such as escape codes, written out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def weights(name: str) -> str:
    """What the backbone began with: the name of its weights, or that these were random."""
    return "none, it began at random" if name == "none" else printable(name)


def shares(values: Sequence[float]) -> str:
    """What classes probabilities are for: of equal `values` (class,) `classes that are equally frequent`."""
    if max(values) - min(values) < 1e-9:
        return "classes that are equally frequent"
    return "classes as frequent as calibration.class_shares in result.json says"


def metric(value: float | None, digits: int = 4) -> str:
    """A metric or loss with fixed digits, 0.9812; what these cannot show, in small or large units, as 2.2e-12. None is
    shown as below 0 that is so by rounding alone."""
    if value is None:
        return NOTHING
    rounded = round(value, digits) + 0.0
    shown = SMALLEST <= abs(value) < LARGEST or (rounded == 0 and value <= 0)
    return f"{rounded:.{digits}f}" if shown else f"{value:.{digits}g}"


def small(value: float | None) -> str:
    """A rate or strength, short: 0.0003, 1e-05."""
    return NOTHING if value is None else f"{value:.3g}"


def interval(bounds: Sequence[float | None] | None) -> str:
    """A 95 % interval: 0.9657 to 0.9912; empty where there is none."""
    if not bounds or any(bound is None for bound in bounds):
        return ""
    return f"{metric(bounds[0])} to {metric(bounds[1])}"


def count(value: float) -> str:
    """A count with thousands apart: 4,652,008."""
    return f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Seconds as 0.4 s, 12 s, 3 min 05 s or 2 h 10 min."""
    if seconds is None:
        return NOTHING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def listing(values: Mapping[str, float]) -> str:
    """Counts by name: train 1,150, val 287."""
    return ", ".join(f"{printable(name)} {count(value)}" for name, value in values.items())


def words(name: str) -> str:
    """A metric's or phase's name as words: macro f1."""
    return printable(name).replace("_", " ")


def judge(result: Mapping[str, Any]) -> str:
    """The side whose figures are shown first: `test`, or `val` where nothing was held out as test."""
    return "val" if (result.get("metrics") or {}).get("test", {}) is None else "test"


def is_share(name: str) -> bool:
    """True for a metric that lies between 0 and 1."""
    return name.endswith(SHARES) or BOXES.fullmatch(name) is not None
