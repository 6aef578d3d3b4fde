"""Which files are taken for pictures by their names: of folders of classes, and of what is to be predicted."""

from __future__ import annotations

from pathlib import Path

COMMON = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".heic")
RARE = (".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k", ".mpo", ".heif", ".hif")
SUFFIXES = frozenset({*COMMON, *RARE})
"""In lower case. Whether a file is a picture, the image kind says when it reads it."""


def is_picture(path: Path) -> bool:
    """By suffix."""
    return path.suffix.lower() in SUFFIXES
