"""Stamps of Tux Paint: small pictures of one thing each, cut out by their alpha, in folders by what they show."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from headstart.errors import UsageError
from headstart.packages import download_debian_package
from headstart_plugins._debian_package import files_of

PACKAGE = "tuxpaint-stamps-default"
INSTALLED = Path("/usr/share/tuxpaint/stamps")
INSIDE = "usr/share/tuxpaint/stamps/"
FOLDERS: Mapping[str, str] = {
    "bird": "animals/birds",
    "fish": "animals/fish",
    "flower": "plants/flowers",
    "fruit": "food/fruit",
    "house": "town/houses",
    "insect": "animals/insects",
    "mammal": "animals/mammals",
    "vehicle": "vehicles",
}
"""The folder of each class, with what lies below it."""
LARGEST = 288
"""Longest side that is kept in memory: the largest on a picture of 320 pixels is smaller."""
SOLID = 128
"""From this alpha on a pixel is the stamp's."""
TEST_SHARE, VAL_SHARE, FEWEST = 0.2, 0.16, 2


@dataclass(frozen=True)
class Stamp:
    """A stamp: its class, its path below the stamps' folder, and its pixels (height, width, 4) uint8, RGBA, cut to what
    is solid."""

    label: str
    path: str
    pixels: np.ndarray


def find_stamps(source: Path | None) -> list[Stamp]:
    """All stamps of the classes in `FOLDERS`, sorted by path: from `source`, a folder of stamps or the package's .deb;
    else those that are installed; else from the package as apt brings it.

    Raises UsageError where there are none, or too few of a class for three sides.
    """
    stamps = list(_read(source))
    counts = {label: sum(each.label == label for each in stamps) for label in FOLDERS}
    if poor := [label for label, count in counts.items() if count < 3 * FEWEST]:
        raise UsageError(
            f"{source or PACKAGE} has {counts[poor[0]]} stamps in {FOLDERS[poor[0]]}; expected {3 * FEWEST} at least",
            hint=f"--from takes the folder {INSTALLED}, or the .deb of {PACKAGE}",
        )
    return sorted(stamps, key=lambda each: each.path)


def sides_of(stamps: Sequence[Stamp]) -> dict[str, dict[str, list[Stamp]]]:
    """Which stamps are whose: by side and class. Of each class a fifth are for test and 16 % for val, at least two; a
    hash of the path sorts them, so that the sides are the same on each machine."""
    found: dict[str, dict[str, list[Stamp]]] = {"train": {}, "val": {}, "test": {}}
    for label in FOLDERS:
        own = [each for each in stamps if each.label == label]
        own.sort(key=lambda each: hashlib.sha256(each.path.encode()).digest())
        test, val = (max(FEWEST, round(share * len(own))) for share in (TEST_SHARE, VAL_SHARE))
        found["test"][label], found["val"][label], found["train"][label] = (
            own[:test],
            own[test : test + val],
            own[test + val :],
        )
    return found


def _read(source: Path | None) -> Iterator[Stamp]:
    if source is None and not INSTALLED.is_dir():
        with tempfile.TemporaryDirectory(prefix="headstart-") as brought:
            yield from _of_package(download_debian_package(PACKAGE, Path(brought)))
        return
    place = source or INSTALLED
    if place.is_dir():
        for label, folder in FOLDERS.items():
            for path in place.glob(f"{folder}/**/*.png"):
                yield _stamp(label, path.relative_to(place).as_posix(), path.read_bytes())
    elif place.is_file():
        yield from _of_package(place)
    else:
        raise UsageError(f"there is no file or folder {place}", hint=f"expected the .deb of {PACKAGE}")


def _of_package(package: Path) -> Iterator[Stamp]:
    """The stamps in a .deb, read in place. Raises DataError where it is damaged."""
    for path, content in files_of(package, PACKAGE, lambda path: path.endswith(".png") and _label(path) is not None):
        label = _label(path)
        assert label is not None  # as was wanted
        yield _stamp(label, path.removeprefix(INSIDE), content)


def _label(path: str) -> str | None:
    """The class of a file in the package."""
    below = path.removeprefix(INSIDE)
    return next((each for each, folder in FOLDERS.items() if below.startswith(f"{folder}/")), None)


def _stamp(label: str, path: str, content: bytes) -> Stamp:
    # Multiplied by their alpha first, or what is transparent would colour the edges.
    picture = Image.open(io.BytesIO(content)).convert("RGBA").convert("RGBa")
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture.convert("RGBA"))
    rows, columns = np.nonzero(pixels[..., 3] >= SOLID)
    return Stamp(label, path, pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1])
