"""Which files a folder of pictures offers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from headstart.specs import Skipped

COMMON = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".tif", ".tiff", ".webp")
RARE = (".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k")
SUFFIXES = frozenset({*COMMON, *RARE})
"""Suffixes of pictures, in lower case. Whether a file is one is for the input kind to say."""


def is_picture(path: Path) -> bool:
    """By suffix."""
    return path.suffix.lower() in SUFFIXES


def other_files(files: Iterable[Path], root: Path) -> list[Skipped]:
    """What is no picture by its suffix, counted by suffix: folders often hold thousands of such files."""
    counts = Counter(path.suffix.lower() for path in files if not is_picture(path))
    return [
        Skipped(str(root), f"{count} file{'s' if count > 1 else ''} {_ending(suffix)}: no pictures")
        for suffix, count in sorted(counts.items())
    ]


def _ending(suffix: str) -> str:
    return f"ending in {suffix}" if suffix else "without an ending"
