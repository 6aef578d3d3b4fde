"""Bytes inside another file, which are read later: of the same file still, and not too many of them."""

from __future__ import annotations

from pathlib import Path

from headstart.errors import DataError

LARGEST_MEMBER = 256 * 1024**2
"""Bytes of a sample: what 64 megapixels of four channels take uncompressed."""
AGAIN = "fetch it or make it again"
"""What to do about a file that is damaged."""


def state_of(path: Path) -> tuple[int, ...]:
    """What differs where a file is another one or was written to."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def require_unchanged(path: Path, state: tuple[int, ...]) -> None:
    """Raise DataError where a file is in another state than it was."""
    if state_of(path) != state:
        raise DataError(f"{path} has changed while it was read", hint="start again once nothing writes to it")


def require_size(where: str, size: int) -> None:
    """Raise DataError for more than LARGEST_MEMBER bytes."""
    if size > LARGEST_MEMBER:
        message = f"{where}: declares {size:,} bytes; expected {LARGEST_MEMBER:,} at most"
        raise DataError(message, hint="save it smaller, or leave it out")
