"""Any picture to RGB pixels: odd ones by a fixed conversion that is noted, unreadable ones refused by name.

Conversions: a palette is resolved; CMYK, YCbCr and others become RGB by Pillow's fixed formula (no colour
profile is applied); alpha is laid on the background; of 16 and 12 bits the highest 8 are kept; an EXIF orientation is
applied; of several frames the first is taken; metadata of a PNG that is damaged or huge is not read.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageFile

from headstart.errors import DataError
from headstart.specs import Finding, Sample
from headstart_plugins._open_picture import RESCALE, check_size, open_picture
from headstart_plugins.image._png import MAX_METADATA, lean_png

WIDE = "scaled from 16 bits"
DARK = "with 16-bit values in the lowest 1/16 of their range only"
LEAN = "read without metadata that is damaged or larger than 1 MB"
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
"""A tag of TIFF, and its value for negatives."""


def from_array(array: np.ndarray, where: str, background: int) -> Sample:
    """An array (height, width) or (height, width, 1, 3 or 4), uint8 or uint16, as RGB pixels (height, width,
    3) uint8.

    uint16 keeps its high byte; a fourth channel is alpha, laid on `background`. Raises DataError for other
    shapes and dtypes: floats could be 0..1, 0..255 or already scaled, and a guess would be silent.
    """
    notes: list[str] = []
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = _highest_bits(array, 16, notes)
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


def read_picture(payload: Any, where: str, background: int, max_megapixels: int) -> Sample:
    """`payload` (Path, a path as text, bytes or array) as a Sample of RGB pixels (height, width, 3) uint8.

    Raises DataError naming `where` for what is no picture, truncated, corrupt, empty, larger than `max_megapixels`, or
    has pixels of no fixed range.
    """
    if isinstance(payload, np.ndarray):
        return from_array(payload, where, background)
    if isinstance(payload, str | Path):
        path = Path(payload)
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise DataError(f"{where}: not a regular file")
            with path.open("rb") as stream:
                return _decode(stream, where, background, max_megapixels)
        except OSError as exc:
            raise DataError(f"{where}: cannot be read: {exc.strerror or exc}") from exc
    if isinstance(payload, bytes):
        return _decode(io.BytesIO(payload), where, background, max_megapixels)
    kind = type(payload).__name__
    raise DataError(f"{where}: a picture is a path, encoded bytes or a pixel array; received {kind}")


def judge_notes(notes: Mapping[str, int]) -> list[Finding]:
    """A warning where every sample of 16 bits keeps to the lowest 1/16 of the range: most likely all have 12."""
    wide = notes.get(WIDE, 0)
    if wide == 0 or notes.get(DARK, 0) < wide:
        return []
    what = "the one sample of 16 bits is" if wide == 1 else f"all {wide} samples of 16 bits are"
    return [
        Finding(
            "warning",
            f"{what} nearly black, in the lowest 1/16 of the range: are these 12-bit values in 16-bit files?",
            wide,
            "multiply their values by 16 in copies of the files, and use those; nothing was changed",
        )
    ]


def _decode(stream: BinaryIO, where: str, background: int, max_megapixels: int) -> Sample:
    """The picture in `stream`; of a PNG what it is without metadata, where that is huge or Pillow refuses the file."""
    lean = lean_png(stream)
    try:
        if lean is None or lean.left_out <= MAX_METADATA:
            return _decode_as_it_is(stream, where, background, max_megapixels)
    except DataError:
        if lean is None:
            raise
    sample = _decode_as_it_is(lean.stream, where, background, max_megapixels)
    return Sample(sample.value, (LEAN, *sample.notes))


def _decode_as_it_is(stream: BinaryIO, where: str, background: int, max_megapixels: int) -> Sample:
    notes: list[str] = []
    try:
        with open_picture(stream, where, max_megapixels) as picture:
            depth = _depth(picture, where)
            loaded = _first_frame(picture, notes)
            check_size(loaded, where, max_megapixels)
            value = np.asarray(_rgb(loaded, depth, background, notes))
    except (DataError, MemoryError):
        raise
    except Image.DecompressionBombError as exc:  # a limit of Pillow's in some formats
        raise DataError(f"{where}: larger than can be decoded ({exc})", hint="scale the picture down") from exc
    except Exception as exc:  # a decoder meets hostile bytes: struct, zlib, index and value errors all mean "corrupt"
        raise DataError(f"{where}: corrupt or truncated picture: {exc}") from exc
    return Sample(value, tuple(notes))


def _depth(picture: ImageFile.ImageFile, where: str) -> int:
    """The bits of each value in the file: 8, 12 or 16. Raises DataError where they have no fixed range."""
    rawmodes = str([tile.args for tile in picture.tile])
    if picture.mode == "F" or (picture.mode == "I" and picture.format not in ("PNG", "PPM")):
        kind = "32-bit float" if picture.mode == "F" else "signed or 32-bit whole-number"
        raise DataError(
            f"{where}: {kind} pixels have no fixed range of brightness; expected 8 or 16 bits", hint=RESCALE
        )
    if picture.mode.startswith("I"):
        return 12 if ";12" in rawmodes else 16
    return 16 if picture.format in ("PNG", "TIFF") and ";16" in rawmodes else 8


def _first_frame(picture: ImageFile.ImageFile, notes: list[str]) -> Image.Image:
    """Decoded, upright; noted where there were more frames, or a rotation."""
    if getattr(picture, "is_animated", False):
        several = picture.format in ("MPO", "HEIF")  # of one scene: another eye, a larger range of brightness
        notes.append(
            "with several pictures in one file, of which the main one was read"
            if several
            else "warning: with several frames, of which the first was read"
        )
    turned_by_pillow = picture.format == "TIFF"  # while it loads
    orientation = _orientation(picture, notes) if turned_by_pillow else 1
    picture.load()
    if not turned_by_pillow:
        orientation = _orientation(picture, notes)  # of some formats it is known only by now
    if orientation not in UPRIGHT:
        return picture
    notes.append("turned by EXIF orientation")
    return picture if turned_by_pillow else picture.transpose(UPRIGHT[orientation])


def _orientation(picture: Image.Image, notes: list[str]) -> int:
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the pixels are sound; metadata may be any bytes
        notes.append("with unreadable EXIF data, ignored")
        return 1
    return value if isinstance(value, int) else 1


def _rgb(picture: Image.Image, depth: int, background: int, notes: list[str]) -> Image.Image:
    mode = picture.mode
    if mode.startswith("I"):
        values = np.asarray(picture)
        if getattr(picture, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow sees to it in 8 bits
            values = 2**depth - 1 - values
        return Image.fromarray(_highest_bits(values, depth, notes)).convert("RGB")
    if depth == 16:  # of colours Pillow itself keeps the high byte alone
        colours = np.asarray(picture)[..., : 1 if mode == "LA" else 3]
        notes += [WIDE, DARK] if int(colours.max()) < 16 else [WIDE]
    if mode == "La":  # grey times its alpha, which Pillow converts to nothing else
        picture = picture.convert("LA")
    if picture.has_transparency_data:
        return _flattened(picture.convert("RGBA"), background, notes)
    if mode not in ("1", "L", "RGB"):
        notes.append("converted from a palette" if mode == "P" else f"converted from {mode}")
    return picture.convert("RGB")


def _highest_bits(values: np.ndarray, depth: int, notes: list[str]) -> np.ndarray:
    """The highest 8 of `depth` bits; what lies above all of them counts as the highest value."""
    notes.append(f"scaled from {depth} bits")
    colours = values[..., :3] if values.ndim == 3 else values
    if depth == 16 and int(colours.max(initial=0)) < 2**12:
        notes.append(DARK)
    high: np.ndarray = (np.clip(values, 0, 2**depth - 1) >> (depth - 8)).astype(np.uint8)
    return high


def _flattened(picture: Image.Image, background: int, notes: list[str]) -> Image.Image:
    notes.append(f"with transparency laid on {'white' if background == 255 else f'grey {background}'}")
    ground = Image.new("RGBA", picture.size, (background, background, background, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")
