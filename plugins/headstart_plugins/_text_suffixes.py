"""Which files are taken for texts; what they hold is checked when they are read."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = frozenset({".txt", ".text", ".md"})
"""In lower case."""
ABOUT = frozenset({"readme", "license", "licence", "copying", "notice", "changelog", "requirements"})
"""What texts are called that are about the others."""


def is_text(path: Path) -> bool:
    """Whether the name says so, in any case."""
    return path.suffix.lower() in SUFFIXES and path.stem.lower() not in ABOUT
