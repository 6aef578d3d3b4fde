"""Pictures and their masks to records, judged where the user wants those at fault left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from headstart.errors import DataError
from headstart.specs import Record, Records, Skipped
from headstart_plugins._annotations.headers import Header, read_headers
from headstart_plugins._annotations.told import Fault, Told
from headstart_plugins._mask_layouts import KIND
from headstart_plugins._masks.described import Described
from headstart_plugins._masks.judged import fault_of
from headstart_plugins._masks.legend import Legend
from headstart_plugins._masks.pixels import Counted
from headstart_plugins.mask_files._options import MaskOptions

MAYBE_TURNED = Fault(
    "picture",
    "that EXIF turns or mirrors, with a mask that does not tell by its size whether it was drawn before that",
    "masks are taken for those of the upright picture: --set dataset.turned=upright says so, and =stored turns them",
    "warning",
)


@dataclass(frozen=True)
class Masked:
    """A picture with what is known of its mask: `key` is its path below the data."""

    key: str
    picture: Path
    mask: Described
    split: str | None = None
    group: str | None = None


@dataclass
class Found:
    """What lies below a path: pictures with masks, what is to be said of them, and what was left out."""

    pictures: list[Masked] = field(default_factory=list)
    told: Told = field(default_factory=Told)
    skipped: list[Skipped] = field(default_factory=list)


def with_counts(legend: Legend, file: Path, counted: Counted | None) -> Described:
    """The mask of a file that holds what was `counted`, if it could be; by colour where the legend is."""
    if counted is not None and counted.by != legend.by:
        counted = counted.as_colours() if legend.by == "colour" else None
    if counted is None:  # who reads it tells why
        return Described(legend=legend, mask=file)
    return Described(legend=legend, mask=file, drawn=counted.size, counts=counted.counts)


def records_of(found: Found, legend: Legend, options: MaskOptions) -> Records:
    """Records by key, with targets of the kind `masks/mask`."""
    pictures, without = _on_sides(sorted(found.pictures, key=lambda each: each.key))
    headers = read_headers([each.picture for each in pictures])
    written = legend.target()
    items, dropped = [], []
    for each, header in zip(pictures, headers, strict=True):
        mask = _sized(each, header, options, found.told)
        if options.faulty == "drop" and (why := _why_not(mask)):
            dropped.append(Skipped(str(each.picture), why))
            continue
        items.append(Record(each.key, each.picture, mask.target(written), each.group, each.split))
    return Records(
        "image",
        tuple(items),
        options.symmetries,
        (*found.skipped, *without, *dropped),
        targets=KIND,
        findings=tuple(found.told.all(dropped=options.faulty == "drop")),
        tolerances=options,
    )


def bare_records(keys: Iterable[tuple[str, Path]], options: MaskOptions) -> Records:
    """Pictures alone, for answers."""
    return Records("image", tuple(Record(key, file) for key, file in keys), options.symmetries, tolerances=options)


def _sized(each: Masked, header: Header | None, options: MaskOptions, told: Told) -> Described:
    """The mask with the size of its upright picture, turned along where that is to be."""
    if header is None:  # who reads the picture tells why
        return each.mask
    mask = replace(each.mask, size=header.upright, exif=header.orientation)
    if header.orientation == 1 or mask.drawn != header.stored:
        return mask
    if options.turned == "stored":
        return replace(mask, turned=True)
    if options.turned == "refuse" and header.upright == header.stored:
        told.add(MAYBE_TURNED, f"{each.key} (EXIF orientation {header.orientation})")
    return mask


def _why_not(mask: Described) -> str | None:
    """What is wrong with a mask, such that it cannot be used."""
    try:
        known = mask.counted("")
    except DataError as error:
        return error.message.removeprefix(": ")
    fault = fault_of(known)
    if fault is None or not fault[0].faulty:
        return None
    return f"a mask {fault[0].what}: {fault[1]}"


def _on_sides(pictures: Sequence[Masked]) -> tuple[list[Masked], list[Skipped]]:
    """The pictures without those on no side, where others have one."""
    without = [each for each in pictures if each.split is None]
    if not without or len(without) == len(pictures):
        return list(pictures), []
    count = "1 picture" if len(without) == 1 else f"{len(without)} pictures"
    told = f"{count} on no side of the split that the data gives, such as {without[0].key}"
    return [each for each in pictures if each.split is not None], [Skipped(str(without[0].picture), told)]
