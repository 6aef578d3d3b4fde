"""Pictures that commands write where the user says: PNG files with our name inside, which replace no others."""

from __future__ import annotations

import warnings
from pathlib import Path

from headstart.atomic import explained, make_folders, write_file
from headstart.errors import UsageError

SUFFIX = ".png"
SIGN = {"Software": "headstart"}
"""The text in a PNG file that says that we wrote it (PNG specification, section 11.3.3.2)."""


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
    """Write a picture in one step, and make its folder. Raises the errors of `verify_place` and `write_file`."""
    verify_place(path)
    with explained(path):
        if not path.parent.is_dir():
            make_folders(path.parent)
    write_file(path, png)


def _is_ours(path: Path) -> bool:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a huge one: it is only asked for its name
        try:
            with Image.open(path) as picture:
                return picture.info.items() >= SIGN.items()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return False
