"""What is wrong with masks, by what they hold; each way becomes one finding that names all its files."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.lists import in_line
from headstart_plugins._annotations.told import Fault
from headstart_plugins._masks.described import Described
from headstart_plugins._masks.legend import Legend, unpacked

FEWEST_RARE = 6
"""So many values of no class in one mask, each rare, are no classes that were forgotten."""
RARE = 0.01
"""The share of a mask's pixels below which a value is rare."""
MOST_RARE = 0.3
"""The share of pixels that edges can have together."""

DROP = "or leave these pictures out with --set dataset.faulty=drop"
OTHER_SIZE = Fault(
    "mask",
    "of another size than its picture",
    f"use the masks that were drawn for these pictures; nothing is scaled, {DROP}",
    faulty=True,
)
SWAPPED = Fault(
    "mask",
    "with width and height swapped, against its picture",
    f"turn these masks as their pictures are turned, {DROP}",
    faulty=True,
)
TURNED = Fault(
    "mask",
    "of a picture that EXIF turns, drawn before that",
    "pictures are read upright: --set dataset.turned=stored turns such masks along",
    faulty=True,
)
BLENDED = Fault(
    "mask",
    "with soft edges: many rare values between those of classes, as antialiased drawing or scaling that blends leaves",
    f"draw or scale masks without blending (nearest); --set dataset.unknown=void takes such pixels as void, {DROP}",
    faulty=True,
)
UNKNOWN = Fault(
    "mask",
    "with values that no class has",
    f"name their classes, or say --set dataset.unknown=void to leave such pixels out, {DROP}",
    faulty=True,
)
VOID_ONLY = Fault(
    "mask",
    "without a pixel of any class: all are void",
    "nothing is learned from it, and nothing is scored; is the void value right?",
    "warning",
)


def fault_of(mask: Described) -> tuple[Fault, str] | None:
    """What is wrong with a mask whose size and counts are known, and which, in words; None where nothing is."""
    found = _fault_of_size(mask) or _fault_of_values(mask)
    return None if found is None else (found[0], f"{mask.file.strip() or 'a mask'} ({found[1]})")


def _fault_of_size(mask: Described) -> tuple[Fault, str] | None:
    upright, size = mask.upright, mask.size
    if size is None or upright is None or tuple(size) == tuple(upright):
        return None
    told = f"{upright[0]} x {upright[1]}, the picture {size[0]} x {size[1]}"
    if tuple(upright) != tuple(size[::-1]):
        return OTHER_SIZE, told
    return (TURNED, f"{told}, EXIF orientation {mask.exif}") if mask.exif > 4 and not mask.turned else (SWAPPED, told)


def _fault_of_values(mask: Described) -> tuple[Fault, str] | None:
    if mask.counts is None:
        return None
    legend = mask.legend
    unknown = [(value, count) for value, count in mask.counts if legend.lacks(value)]
    if unknown and legend.unknown == "refuse":
        total = sum(count for _, count in mask.counts)
        pixels = sum(count for _, count in unknown)
        if rare := blended(mask.counts, legend):
            return BLENDED, f"{len(rare)} values in {pixels / total:.1%} of its pixels"
        told = in_line([f"{legend.spelt(value)} in {count} pixels" for value, count in unknown])
        return UNKNOWN, told
    if all(value in legend.void or legend.lacks(value) for value, _ in mask.counts):
        return VOID_ONLY, in_line([legend.spelt(value) for value, _ in mask.counts])
    return None


def blended(counts: Sequence[tuple[int, int]], legend: Legend, *, fewest: int = FEWEST_RARE) -> tuple[int, ...]:
    """The values that soft edges between others would leave: rare ones that `legend` lacks, `fewest` at least, which
    lie between those that are frequent or known, in each channel; () where it does not look so."""
    total = sum(count for _, count in counts)
    unknown = [(value, count) for value, count in counts if legend.lacks(value)]
    rare = [value for value, count in unknown if count < RARE * total]
    pixels = sum(count for value, count in unknown if count < RARE * total)
    main = [value for value, count in counts if not legend.lacks(value) or count >= RARE * total]
    if len(rare) < fewest or pixels > MOST_RARE * total or not main:
        return ()
    ends = [(min(each), max(each)) for each in zip(*(_channels(value, legend) for value in main), strict=True)]
    between = [
        value
        for value in rare
        if all(low <= part <= high for part, (low, high) in zip(_channels(value, legend), ends, strict=True))
    ]
    return tuple(rare) if len(between) >= 0.9 * len(rare) else ()


def _channels(value: int, legend: Legend) -> tuple[int, ...]:
    return unpacked(value) if legend.by == "colour" else (value,)
