"""A mask file as the numbers that stand in it: nothing is resized, blended or converted on the way.

Pillow gives the numbers of a palette, but scales greys of 2 and 4 bits up to 255, which is undone here.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from headstart.errors import DataError
from headstart.threads import available_threads
from headstart_plugins._masks.legend import Coding, Colour, packed
from headstart_plugins._open_picture import open_picture

MOST_MEGAPIXELS = 1_000
MOST_KEPT = 512
"""So many values of a file are kept with their counts, the most frequent ones: what has more is no mask."""
INDEXED = ("P", "L", "1", "I;16", "I;16L", "I;16B", "I")
"""Pillow's modes of one number a pixel."""
NARROW = {"L;2": 85, "L;4": 17, "L;2I": 85, "L;4I": 17}
"""By how much Pillow multiplies greys of few bits."""
LOSSY = "the pixels of a JPEG are blended, so that no value is sure; write masks as PNG"
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
"""A tag of TIFF, and its value for negatives, whose greys Pillow turns round."""
Size = tuple[int, int]
"""Width and height."""


@dataclass(frozen=True)
class Pixels:
    """`values` (height, width) uint8, uint16 or int32 as they stand in the file, `by` what they are, and the colours of
    its palette, if it has one."""

    values: np.ndarray
    by: Coding
    palette: tuple[Colour, ...] | None = None

    @property
    def size(self) -> Size:
        """Width and height."""
        return self.values.shape[1], self.values.shape[0]

    def as_colours(self) -> Pixels:
        """The same by colour: those of the palette, or greys. Raises ValueError for greys of 16 bits."""
        if self.by == "colour":
            return self
        if self.values.dtype != np.uint8:
            raise ValueError("it has greys of 16 bits, and no colours")
        table = np.zeros((256, 3), np.uint8)
        if self.palette is None:
            table[:] = np.arange(256)[:, None]
        else:
            table[: len(self.palette)] = self.palette
        return Pixels(packed(table)[self.values], "colour")


@dataclass(frozen=True)
class Counted:
    """What a mask file holds: its size, how many pixels have each value, the most frequent first, and its palette."""

    size: Size
    by: Coding
    counts: tuple[tuple[int, int], ...]
    palette: tuple[Colour, ...] | None = None

    def as_colours(self) -> Counted | None:
        """The same by colour; None where it has greys of 16 bits."""
        values = np.array([value for value, _ in self.counts])
        if self.by == "colour":
            return self
        if values.max(initial=0) > 255:
            return None
        found: Counter[int] = Counter()
        colours = Pixels(values.astype(np.uint8)[None], "index", self.palette).as_colours().values[0].tolist()
        for colour, (_, count) in zip(colours, self.counts, strict=True):
            found[colour] += count
        return Counted(self.size, "colour", tuple(found.most_common()))


def read_pixels(file: Path, where: str, by: Coding | None = None) -> Pixels:
    """The pixels of a mask file, `by` what is asked for, None: as it has them.

    Raises DataError that begins with `where` and the file for what cannot be read, is a JPEG, has colours where numbers
    are asked for, transparency, or numbers that are no whole ones.
    """
    name = f"{where}: its mask {file}"
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise DataError(f"{name} is not a regular file")
        with file.open("rb") as stream, open_picture(stream, name, MOST_MEGAPIXELS) as picture:
            found = _pixels(picture, name)
    except DataError:
        raise
    except OSError as exc:
        raise DataError(f"{name} cannot be read: {exc.strerror or exc}") from exc
    except Exception as exc:  # hostile bytes: Pillow raises what it likes
        raise DataError(f"{name} cannot be read: {exc}") from exc
    if by == "index" and found.by == "colour":
        raise DataError(
            f"{name} has colours; expected numbers of classes, by a palette or as greys",
            hint="write it with a palette, or say what its colours mean: --set dataset.colours=FILE, a line a class "
            "such as road,128,64,128",
        )
    if by == "colour":
        try:
            return found.as_colours()
        except ValueError as exc:
            raise DataError(f"{name} cannot be told by colours: {exc}") from exc
    return found


def _pixels(picture: ImageFile.ImageFile, name: str) -> Pixels:
    mode = picture.mode
    if picture.format in ("JPEG", "MPO", "JPEG2000") or picture.info.get("compression") == "jpeg":
        raise DataError(f"{name} is a JPEG", hint=LOSSY)
    if mode == "L" and getattr(picture, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO:
        raise DataError(f"{name} is a TIFF whose greys count from white", hint="write it as PNG")
    if getattr(picture, "is_animated", False):
        raise DataError(f"{name} has several frames", hint="write each mask as a file of its own")
    narrow = NARROW.get(_raw_mode(picture), 1)
    picture.load()
    if mode in INDEXED:
        values = np.asarray(picture)
        if mode != "I":  # which has 32 bits: bytes of one order, and no bool
            values = values.astype(np.uint16 if mode.startswith("I") else np.uint8, copy=False)
        return Pixels(values // narrow if narrow > 1 else values, "index", _palette(picture))
    if mode == "RGB":
        return Pixels(packed(np.asarray(picture)), "colour")
    if mode in ("RGBA", "LA") and (np.asarray(picture)[..., -1] == 255).all():
        pixels = np.asarray(picture)
        return Pixels(pixels[..., 0], "index") if mode == "LA" else Pixels(packed(pixels), "colour")
    what = "has transparent pixels" if mode in ("RGBA", "LA", "PA") else f"has pixels of the mode {mode}"
    hint = "expected numbers of classes, by a palette or as greys of 8 or 16 bits, or colours by a stated table"
    raise DataError(f"{name} {what}", hint=hint)


def _raw_mode(picture: ImageFile.ImageFile) -> str:
    """How the file has its pixels, before Pillow unpacks them."""
    arguments = picture.tile[0].args if picture.tile else ""
    found = arguments if isinstance(arguments, str) else next(iter(arguments or ()), "")
    return str(found)


def _palette(picture: Image.Image) -> tuple[Colour, ...] | None:
    flat = picture.getpalette("RGB") if picture.mode == "P" else None
    return tuple(zip(flat[::3], flat[1::3], flat[2::3], strict=True)) if flat else None


def counted(values: np.ndarray) -> tuple[tuple[int, int], ...]:
    """How many pixels of `values` (height, width) have each value, the most frequent first, MOST_KEPT at most."""
    flat = values.ravel()
    # Runs first: masks are even, and sorting all their pixels would take longer than reading them.
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(np.append(starts, flat.size))
    found, which = np.unique(flat[starts], return_inverse=True)
    counts = np.bincount(which, weights=lengths).astype(np.int64)
    order = np.lexsort((found, -counts))[:MOST_KEPT]
    return tuple(zip(found[order].tolist(), counts[order].tolist(), strict=True))


def count_files(files: Sequence[Path], by: Coding | None = None) -> list[Counted | None]:
    """What each file holds, `by` what is asked for; None where it cannot be read so, which whoever reads it tells."""

    def count(file: Path) -> Counted | None:
        try:
            pixels = read_pixels(file, "", by)
        except DataError:
            return None
        return Counted(pixels.size, pixels.by, counted(pixels.values), pixels.palette)

    with ThreadPoolExecutor(available_threads()) as pool:
        return list(pool.map(count, files))
