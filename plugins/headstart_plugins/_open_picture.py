"""A file as a picture whose header is read: its format and its size are known, and nothing is decoded yet."""

from __future__ import annotations

import struct
from typing import BinaryIO

from PIL import Image, ImageFile, TiffImagePlugin

from headstart.errors import DataError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000")
"""Formats of Pillow's that are tried. Not EPS, WMF and the like: Pillow would start other programs for them."""
HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
"""Brands of HEIF files (ISO/IEC 23008-12); AVIF shares the last two."""
BITS, COMPRESSION, SAMPLE_FORMAT = 258, 259, 339
"""Tags of TIFF."""
FLOAT = 3
RESCALE = (
    "scale all of them by one factor and save them as 8 or 16 bits, such as with "
    "Image.fromarray((pixels / highest * 65535).astype('uint16')).save('NAME.png')"
)


def open_picture(stream: BinaryIO, where: str, max_megapixels: int) -> ImageFile.ImageFile:
    """The picture in `stream`. Raises DataError for what is no picture, has no pixels or too many of them, and
    whatever Pillow raises for a header that it cannot read.

    Not by `Image.open`: it hides why it refused a file, and its own limit of pixels is one of the whole process.
    """
    picture = _opened(stream, where)
    check_size(picture, where, max_megapixels)
    return picture


def check_size(picture: Image.Image, where: str, max_megapixels: int) -> None:
    """Raise DataError for a picture without pixels, or with too many."""
    width, height = picture.size
    if width < 1 or height < 1:
        raise DataError(f"{where}: picture without pixels ({width} x {height})")
    if width * height > max_megapixels * 10**6:
        limit = "1 megapixel" if max_megapixels == 1 else f"{max_megapixels} megapixels"
        raise DataError(
            f"{where}: {width} x {height} pixels are more than {limit}; not decoded",
            hint="scale the picture down, leave it out, or raise the limit: --set input.max_megapixels=N",
        )


def _opened(stream: BinaryIO, where: str) -> ImageFile.ImageFile:
    stream.seek(0)
    prefix = stream.read(16)
    Image.preinit()
    refusals = []
    for name in FORMATS:
        if name not in Image.OPEN:
            Image.init()
        factory, accepts = Image.OPEN[name]
        accepted = accepts is None or accepts(prefix)
        if isinstance(accepted, str):  # what Pillow lacks for it
            refusals.append((name, accepted))
        elif accepted:
            stream.seek(0)
            try:
                return factory(stream, "")
            except (SyntaxError, IndexError, TypeError, struct.error) as exc:  # how Pillow's formats refuse a header
                refusals.append((name, str(exc)))
    if prefix[4:8] == b"ftyp" and prefix[8:12] in HEIF:
        return _opened_heif(stream, where)
    if not refusals:
        raise DataError(f"{where}: not a picture in a known format", hint="known: " + ", ".join((*FORMATS, "HEIF")))
    name, reason = refusals[0]
    if name == "TIFF":
        raise DataError(f"{where}: a TIFF file that cannot be read: {reason}{_layout(stream)}", hint=RESCALE)
    raise DataError(f"{where}: a {name} file that cannot be read: {reason}")


def _opened_heif(stream: BinaryIO, where: str) -> ImageFile.ImageFile:
    """By a package of its own, which is not told to Pillow: other code of the process may read HEIF otherwise."""
    try:
        from pi_heif import HeifImageFile
    except ImportError as exc:
        raise DataError(
            f"{where}: a HEIC or HEIF picture, which needs pi-heif", hint='pip install "headstart[heic]"'
        ) from exc
    stream.seek(0)
    picture: ImageFile.ImageFile = HeifImageFile(stream)
    return picture


def _layout(stream: BinaryIO) -> str:
    """How a TIFF file's pixels lie, as far as it can be told: ` (3 channels of 32-bit float, compression 1)`."""
    try:
        stream.seek(0)
        tags = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
        stream.seek(tags.next)
        tags.load(stream)
        bits = tags.get(BITS, (1,))
        kind = "float" if FLOAT in tags.get(SAMPLE_FORMAT, ()) else "whole numbers"
        channels = "1 channel" if len(bits) == 1 else f"{len(bits)} channels"
        return f" ({channels} of {max(bits)}-bit {kind}, compression {tags.get(COMPRESSION, 1)})"
    except Exception:  # hostile bytes: then the reason alone is told
        return ""
