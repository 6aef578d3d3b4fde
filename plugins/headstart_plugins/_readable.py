"""Texts of somebody's data, as pages show them."""

from __future__ import annotations

import unicodedata

KEPT = frozenset("\n\t\u200b\u200c\u200d\u200e\u200f\u00ad\u2060")
"""What is not printable and part of texts: ends of lines, joiners, marks of direction, places to break."""


def readable(text: str) -> str:
    """A text with all that is part of how its language is written: lines, spaces of any width, joiners of letters and
    marks of direction. What else is not printable, such as escape codes or an override of direction, which hides what a
    text says, is written out."""
    return "".join(
        c if c.isprintable() or c in KEPT or unicodedata.category(c) == "Zs" else repr(c)[1:-1] for c in text
    )
