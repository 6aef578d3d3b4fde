"""What an exporter says went wrong, short enough for a message."""

from __future__ import annotations


def first_line(exc: Exception) -> str:
    """The first line, which names the operation; the error's type where it says nothing."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0] if lines else type(exc).__name__
