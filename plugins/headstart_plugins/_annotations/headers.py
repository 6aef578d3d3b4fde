"""The sizes of pictures by their headers: nothing is decoded; and pixels turned as a header says."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from headstart.threads import available_threads
from headstart_plugins._open_picture import open_picture

Four = tuple[float, float, float, float]
Size = tuple[int, int]
"""Width and height in pixels."""

SIDEWAYS = (5, 6, 7, 8)
"""The EXIF orientations that exchange width and height."""
MOST_MEGAPIXELS = 10**6
"""No limit: nothing is decoded here, and whoever decodes has one."""
FLIPS = {2: "x", 3: "xy", 4: "y", 5: "t", 6: "tx", 7: "txy", 8: "ty"}
"""What of a box, or of pixels, as stored is done to make each orientation (Exif 2.32, tag 0x0112) upright: t exchanges
x and y, then x and y are counted from the other side. See `made_upright`."""


@dataclass(frozen=True)
class Header:
    """The size of a picture as it is stored, and its EXIF orientation, 1 to 8."""

    stored: Size
    orientation: int

    @property
    def upright(self) -> Size:
        """The size once it is turned as EXIF says, which is how it is read."""
        return self.stored[::-1] if self.orientation in SIDEWAYS else self.stored

    def turned(self, corners: Four) -> Four:
        """Corners in the stored picture as corners in the upright one."""
        left, top, right, bottom = corners
        steps, (width, height) = FLIPS.get(self.orientation, ""), self.upright
        if "t" in steps:
            left, top, right, bottom = top, left, bottom, right
        if "x" in steps:
            left, right = width - right, width - left
        if "y" in steps:
            top, bottom = height - bottom, height - top
        return left, top, right, bottom


def made_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """`pixels` (height, width, ...) as stored, turned as an EXIF orientation says; a view, to the pixel."""
    steps = FLIPS.get(orientation, "")
    if "t" in steps:
        pixels = pixels.swapaxes(0, 1)
    if "x" in steps:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if "y" in steps else pixels


def read_headers(files: Sequence[Path]) -> list[Header | None]:
    """The header of each; None for what is absent or cannot be read, which is told when pictures are read."""
    with ThreadPoolExecutor(available_threads()) as pool:
        return list(pool.map(_header, files))


def _header(file: Path) -> Header | None:
    try:
        with file.open("rb") as stream, open_picture(stream, str(file), MOST_MEGAPIXELS) as picture:
            header = Header(picture.size, _orientation(picture))
            # Of a TIFF Pillow gives the size once it is turned, which it does itself.
            return Header(header.upright, header.orientation) if picture.format == "TIFF" else header
    except Exception:  # hostile bytes: whoever decodes it tells what is wrong
        return None


def _orientation(picture: Any) -> int:
    """As the header says; 1 where it says nothing. Of a PNG what stands behind its pixels is not looked for."""
    if picture.format == "PNG" and "exif" not in picture.info:
        return 1  # Pillow would decode it to look
    try:
        value = Image.Image.getexif(picture).get(ExifTags.Base.Orientation, 1)
    except Exception:  # metadata may be any bytes
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
