"""Pictures and masks of made data, read again: SIDE/NAME, masks/SIDE/NAME.png and masks/classes.txt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headstart.errors import DataError
from headstart.specs import Record
from headstart_plugins._annotations.headers import read_headers
from headstart_plugins._made_sets.coco_files import AGAIN, SIDES
from headstart_plugins._masks.described import Described
from headstart_plugins._masks.legend import Legend
from headstart_plugins._masks.pixels import count_files
from headstart_plugins._picture_suffixes import is_picture


def read_records(folder: Path) -> tuple[Record, ...]:
    """A record for each picture of all sides, with the side given and targets that the kind `mask` reads; values are
    places in classes.txt, and nothing is void. Raises DataError naming what is not as it was made."""
    names = _names(folder / "masks" / "classes.txt")
    pictures = [(side, picture) for side in SIDES for picture in _pictures(folder / side)]
    files = [folder / "masks" / side / f"{picture.stem}.png" for side, picture in pictures]
    counts = count_files(files)
    if None in counts:
        raise DataError(f"{files[counts.index(None)]} cannot be read as a mask", hint=AGAIN)
    palette = next((each.palette for each in counts if each and each.palette), ())[: len(names)]
    colours = palette if len(palette) == len(names) else None
    legend = Legend(names, tuple(range(len(names))), void=(), colours=colours)
    written = legend.target()
    headers = read_headers([picture for _, picture in pictures])
    items = []
    for (side, picture), file, counted, header in zip(pictures, files, counts, headers, strict=True):
        assert counted is not None  # as was asked above
        size = None if header is None else header.upright
        mask = Described(legend=legend, mask=file, drawn=counted.size, counts=counted.counts, size=size)
        items.append(Record(f"{side}/{picture.name}", picture, mask.target(written), split=side))
    return tuple(items)


def _pictures(folder: Path) -> Iterator[Path]:
    found = sorted(each for each in folder.iterdir() if is_picture(each)) if folder.is_dir() else []
    if not found:
        raise DataError(f"{folder}: no pictures", hint=AGAIN)
    yield from found


def _names(file: Path) -> tuple[str, ...]:
    try:
        return tuple(file.read_text("utf-8").split())
    except (OSError, ValueError) as exc:
        raise DataError(f"{file} cannot be read: {exc}", hint=AGAIN) from exc
