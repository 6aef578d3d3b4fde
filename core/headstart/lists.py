"""Lists in messages: the first few of many, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence

MAX_LISTED = 5


def below(lines: Sequence[str], most: int = MAX_LISTED) -> str:
    """The first of `lines`, each on one of its own."""
    return "".join(f"\n  - {line}" for line in _first(lines, most))


def in_line(texts: Sequence[str], most: int = MAX_LISTED, *, between: str = ", ") -> str:
    """The first of `texts` in one line, with `between` between two of them."""
    return between.join(_first(texts, most))


def _first(texts: Sequence[str], most: int) -> list[str]:
    more = len(texts) - most
    return [*texts[:most], *([f"and {more} more"] if more > 0 else [])]
