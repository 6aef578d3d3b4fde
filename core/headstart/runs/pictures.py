"""Pictures that commands write where the user says: PNG files with our name inside, which replace no others."""

from __future__ import annotations

from pathlib import Path

from headstart.atomic import explained, make_folders, write_file
from headstart.errors import UsageError

SUFFIX = ".png"
SIGN = {"Software": "headstart"}
"""The text in a PNG file that says that we wrote it (PNG specification, section 11.3.3.2)."""


def verify_place(path: Path) -> None:
    """Raise UsageError where `path` does not end in .png, or a file is there that is no picture of ours."""
    if path.suffix.lower() != SUFFIX:
        raise UsageError(f"--out {path} is no PNG file", hint=f"name one, such as {path.with_suffix(SUFFIX)}")
    if path.exists() and not _is_ours(path):
        raise UsageError(
            f"{path} is there already, and headstart did not write it", hint="choose another file with --out"
        )


def write_picture(path: Path, png: bytes) -> None:
    """Write a picture in one step, and make its folder. Raises the errors of `verify_place` and `write_file`."""
    verify_place(path)
    with explained(path):
        if not path.parent.is_dir():
            make_folders(path.parent)
    write_file(path, png)


def _is_ours(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.info.items() >= SIGN.items()
    except (OSError, ValueError):
        return False
