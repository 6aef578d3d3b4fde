"""Any picture to RGB pixels: odd ones by a fixed conversion that is noted, unreadable ones refused by name.

Conversions: a palette is resolved; CMYK, YCbCr and others become RGB by Pillow's fixed formula (no colour
profile is applied); alpha is laid on the background; 16 bits keep their high byte; an EXIF orientation is
applied; of several frames the first is taken.
"""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from headstart.errors import DataError
from headstart.specs import Sample


def from_array(array: np.ndarray, where: str, background: int) -> Sample:
    """An array (height, width) or (height, width, 1, 3 or 4), uint8 or uint16, as RGB pixels (height, width,
    3) uint8.

    uint16 keeps its high byte; a fourth channel is alpha, laid on `background`. Raises DataError for other
    shapes and dtypes: floats could be 0..1, 0..255 or already scaled, and a guess would be silent.
    """
    notes: list[str] = []
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = (array >> 8).astype(np.uint8)
        notes.append("scaled from 16 bits")
    if array.dtype != np.uint8:
        raise DataError(
            f"{where}: pixels are {array.dtype}; expected uint8 (0..255) or uint16 (0..65535)",
            hint="convert with (pixels * 255).round().astype('uint8') if they run from 0 to 1",
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise DataError(f"{where}: shape {array.shape}; expected (height, width) or (height, width, 1, 3 or 4)")
    if array.shape[2] == 4:
        array = np.asarray(_flattened(Image.fromarray(array), background, notes))
    pixels = np.broadcast_to(array, (*array.shape[:2], 3))
    return Sample(np.ascontiguousarray(pixels), tuple(notes))


MAX_PIXELS = 64_000_000
"""Largest picture that is decoded: 64 megapixels, 192 MB as RGB."""

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000")
"""Formats that are tried. Not EPS, WMF and the like: Pillow would start other programs for them."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation (Exif 2.32, tag 0x0112)."""


def read_picture(payload: Any, where: str, background: int) -> Sample:
    """`payload` (Path, a path as text, bytes or array) as a Sample of RGB pixels (height, width, 3) uint8.

    Raises DataError naming `where` for what is no picture, truncated, corrupt, empty or larger than
    MAX_PIXELS.
    """
    if isinstance(payload, np.ndarray):
        return from_array(payload, where, background)
    if isinstance(payload, str | Path):
        path = Path(payload)
        try:
            mode = path.stat().st_mode
        except OSError as exc:
            raise DataError(f"{where}: cannot be read: {exc.strerror or exc}") from exc
        if not stat.S_ISREG(mode):
            raise DataError(f"{where}: not a regular file")
        return _decode(path, where, background)
    if isinstance(payload, bytes):
        return _decode(io.BytesIO(payload), where, background)
    kind = type(payload).__name__
    raise DataError(f"{where}: a picture is a path, encoded bytes or a pixel array; received {kind}")


def _decode(source: Path | io.BytesIO, where: str, background: int) -> Sample:
    try:
        with Image.open(source, formats=FORMATS) as picture:
            _check_size(picture, where)
            notes: list[str] = []
            loaded = _first_frame(picture, notes)
            _check_size(loaded, where)
            value = np.asarray(_rgb(loaded, background, notes))
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError as exc:
        raise DataError(f"{where}: not a picture in a known format", hint="known: " + ", ".join(FORMATS)) from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise DataError(f"{where}: larger than {MAX_PIXELS // 10**6} megapixels ({exc})") from exc
    except Exception as exc:  # a decoder meets hostile bytes: struct, zlib, index and value errors all mean "corrupt"
        raise DataError(f"{where}: corrupt or truncated picture: {exc}") from exc
    return Sample(value, tuple(notes))


def _check_size(picture: Image.Image, where: str) -> None:
    width, height = picture.size
    if width < 1 or height < 1:
        raise DataError(f"{where}: picture without pixels ({width} x {height})")
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{where}: {width} x {height} pixels are more than {MAX_PIXELS // 10**6} megapixels; not decoded",
            hint="scale the picture down, or leave it out",
        )


def _first_frame(picture: Image.Image, notes: list[str]) -> Image.Image:
    """Decoded, upright; noted where there were more frames, a rotation or 16 bits."""
    if getattr(picture, "is_animated", False):
        notes.append("warning: with several frames, of which the first was read")
    tiles = getattr(picture, "tile", None) or ()
    if picture.mode in ("RGB", "RGBA") and any(";16" in str(tile.args) for tile in tiles):
        notes.append("scaled from 16 bits")  # Pillow itself keeps the high byte of 16-bit colour
    before = _orientation(picture, notes) if picture.format == "TIFF" else None
    picture.load()
    if before not in UPRIGHT:  # Pillow turns TIFF while loading, and only TIFF
        after = _orientation(picture, notes)
        if after not in UPRIGHT:
            return picture
        picture = picture.transpose(UPRIGHT[after])
    notes.append("turned by EXIF orientation")
    return picture


def _orientation(picture: Image.Image, notes: list[str]) -> int:
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the pixels are sound; metadata may be any bytes
        notes.append("with unreadable EXIF data, ignored")
        return 1
    return value if isinstance(value, int) else 1


def _rgb(picture: Image.Image, background: int, notes: list[str]) -> Image.Image:
    mode = picture.mode
    if mode == "F" or (mode == "I" and picture.format != "PNG" and picture.format != "PPM"):
        raise ValueError(f"mode {mode} has no fixed range of brightness; expected 8 or 16 bits")
    if mode.startswith("I"):
        notes.append("scaled from 16 bits")
        high = np.clip(np.asarray(picture).astype(np.int64), 0, 65535) >> 8
        return Image.fromarray(high.astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        return _flattened(picture.convert("RGBA"), background, notes)
    if mode not in ("1", "L", "RGB"):
        notes.append("converted from a palette" if mode == "P" else f"converted from {mode}")
    return picture.convert("RGB")


def _flattened(picture: Image.Image, background: int, notes: list[str]) -> Image.Image:
    notes.append(f"with transparency laid on {'white' if background == 255 else f'grey {background}'}")
    ground = Image.new("RGBA", picture.size, (background, background, background, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")
