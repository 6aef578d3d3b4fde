"""Pictures that commands write where the user says: PNG files with our name inside, which replace no others."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from headstart.atomic import explained, make_folders, write_file
from headstart.errors import UsageError

SUFFIX = ".png"
SIGN = b"Software\0headstart"
"""The text in a PNG file that says that we wrote it (PNG specification, section 11.3.3.2)."""
HEADER_END = 33
"""Bytes of the magic and the header chunk, which is the first of each file and has one size."""


def picture_file(out: Path | None, default: Path) -> Path:
    """Where a picture goes: `default`, FILE.png as it is, or a file of the default's name in any other path, a folder.

    Raises UsageError where that would replace a file that is no picture of ours.
    """
    if out is None:
        path = default
    elif out.is_dir() or not (out.suffix or out.exists()):
        path = out / default.name
    else:
        path = out
    verify_place(path)
    return path


def verify_place(path: Path) -> None:
    """Raise UsageError where `path` does not end in .png, or something is there that is no picture of ours."""
    if path.suffix.lower() != SUFFIX:
        raise UsageError(f"--out {path} is no PNG file", hint=f"name one, such as {path.stem}{SUFFIX}, or a folder")
    if path.is_symlink() or (path.exists() and not _is_ours(path)):  # we write no links
        raise UsageError(f"{path} is there already, and headstart did not write it", hint="choose another with --out")


def write_picture(path: Path, png: bytes) -> None:
    """Sign a picture, make its folder and write it in one step. Raises the errors of `verify_place`, `write_file`."""
    verify_place(path)
    with explained(path):
        make_folders(path.parent)
    chunk = b"tEXt" + SIGN
    signed = struct.pack(">I", len(SIGN)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    write_file(path, png[:HEADER_END] + signed + png[HEADER_END:])


def _is_ours(path: Path) -> bool:
    """Whether our text stands among the chunks before the pixels; no pixel is decoded."""
    from PIL.PngImagePlugin import PngImageFile

    try:
        with PngImageFile(path) as picture:  # without the limit of Image.open, which warns of large pictures
            return bool(picture.info.get("Software") == "headstart")
    except (OSError, SyntaxError, ValueError):  # no PNG file, or a damaged one
        return False
