"""A picture of what augmentations do to a data set: some samples, and each as the first epochs would see it.

Builds no network: it needs no backend.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np

from headstart.data.array_store import ArrayStore
from headstart.data.checks import MAX_LISTED
from headstart.data.reading import Reading, read_all
from headstart.data.targets import build_target_kind, find_targets
from headstart.data.views import Composed, Mixed, TrainingSamples, View, augmented, partners
from headstart.errors import DataError, UsageError
from headstart.recipes.resolve import ResolvedRecipe
from headstart.registry import Registry
from headstart.runs.planning import build_kind, build_view, left_out, open_records
from headstart.runs.sheet_drawing import Cell, draw_sheet
from headstart.specs import Colour, HasScale, InputKind, Mix, Record, TargetKind, Transform

POOL = 64
"""Samples that are read at least, where there are so many: partners of mixtures are picked among them."""
MOST_CELLS = 2_000


@dataclass(frozen=True)
class ContactSheet:
    """The picture as a PNG, and what should be said about it."""

    png: bytes
    warnings: tuple[str, ...]


def contact_sheet(resolved: ResolvedRecipe, registry: Registry, *, samples: int, views: int) -> ContactSheet:
    """A row for each of so many samples: the sample, then how epochs 1 to `views` of a run with this seed vary it.

    Only partners differ from a run's, which picks them among all of its training samples. Raises UsageError where the
    input kind makes no pictures or the sheet would be huge, DataError where no record can be read.
    """
    cells = samples * (views + 1)
    if cells > MOST_CELLS:
        raise UsageError(
            f"{samples} samples with {views} views are {cells:,} pictures; expected {MOST_CELLS:,} at most",
            hint="ask for fewer --samples or --views",
        )
    kind = build_kind(resolved, registry)
    name = _picture(kind, resolved.input.name)
    records = open_records(resolved, registry)
    view = build_view(resolved, registry, records, kind) or View(kind, Composed(()), resolved.recipe.seed)
    targets = build_target_kind(registry, find_targets(records, registry).spec.name)
    reading = _read_some(_spread(records.items, targets), kind, max(POOL, samples))
    if not reading.items:
        listed = "".join(f"\n  {each.reason}" for each in reading.skipped[:MAX_LISTED])
        raise DataError(f"none of the records can be read:{listed}", hint="mend these files, or name other data")
    warnings = [*left_out(resolved, records), *(each.reason for each in reading.skipped)]  # reasons name the file
    words = ["no label" if item.target is None else targets.words(item.target) for item in reading.items]
    rows = _rows(reading, words, view, name, samples=samples, views=views)
    return ContactSheet(
        draw_sheet(rows, ("as it is", *(f"epoch {number + 1}" for number in range(views)))), (*warnings,)
    )


def _picture(kind: InputKind, name: str) -> str:
    """The name of the one tensor, which must be a picture (height, width, 3) uint8."""
    found = list(kind.tensors.items())
    if len(found) == 1 and found[0][1].dtype == "uint8" and found[0][1].shape[2:] == (3,):
        return found[0][0]
    raise UsageError(
        f"a contact sheet shows pictures, and the input kind {name} makes none",
        hint="name a dataset of pictures; `headstart datasets` lists what there is",
    )


def _read_some(items: Sequence[Record], kind: InputKind, count: int) -> Reading:
    """The first `count` of `items` that can be read, where there are so many, perhaps some more; those in between that
    cannot are among the `skipped`."""
    tried = count
    while True:
        reading = read_all(items[:tried], kind, store=ArrayStore(), any_unreadable=True)
        if len(reading.items) >= count or tried >= len(items):
            return reading
        tried *= 2


def _spread(items: Sequence[Record], targets: TargetKind) -> list[Record]:
    """Training records, by key, of one target after the other in turn; where targets lie on a line, the first few are
    spread over all of it."""
    given = [record for record in items if record.split == "train"] or items
    groups: defaultdict[str, list[Record]] = defaultdict(list)
    for record in sorted(given, key=lambda record: record.key):
        groups["" if record.target is None else targets.words(record.target)].append(record)
    in_turn = chain.from_iterable(zip_longest(*(groups[name] for name in _in_order(groups, targets))))
    return [record for record in in_turn if record is not None]


def _in_order(groups: Mapping[str, Sequence[Record]], targets: TargetKind) -> list[str]:
    """By name; of more places on a line than the pool holds, each halfway between two before it (van der Corput)."""
    ordered = sorted(groups)
    if len(ordered) <= POOL or not isinstance(targets, HasScale):
        return ordered
    known = [name for name in ordered if groups[name][0].target is not None]
    along = sorted(known, key=lambda name: targets.place(groups[name][0].target))
    bits = len(along).bit_length()
    places = sorted(range(len(along)), key=lambda place: f"{place:0{bits}b}"[::-1])
    return [*(along[place] for place in places), *(name for name in ordered if groups[name][0].target is None)]


def _rows(
    reading: Reading, words: Sequence[str], view: View, name: str, *, samples: int, views: int
) -> list[list[Cell]]:
    keys = tuple(record.key for record in reading.items)
    first = np.searchsorted(reading.owners, np.arange(len(keys)))  # of the rows of each record
    tensors = {each: array[first] for each, array in reading.tensors.items()}
    pool = TrainingSamples(tensors, keys, np.arange(len(keys)))
    count = min(samples, len(keys))
    rows = [[Cell(tensors[name][place], (words[place],), (keys[place],))] for place in range(count)]
    for epoch in range(1, views + 1):
        varied = augmented(pool, np.arange(count), view, epoch)[name]
        mixed = partners(pool, np.arange(count), view, epoch)
        for place in range(count):
            notes = in_words(view.draw(epoch, keys[place]))
            rows[place].append(Cell(varied[place], _labels(words, place, mixed), notes))
    return rows


def _labels(words: Sequence[str], place: int, mixed: Mixed | None) -> tuple[str, ...]:
    """The target in words; of a mixture both with their shares, or one where they are the same."""
    own = words[place]
    other = own if mixed is None else words[int(mixed.rows[place])]
    if mixed is None or other == own:
        return (own,)
    percent = round(100 * float(mixed.shares[place]))
    return f"{own}: {percent} %", f"{other}: {100 - percent} %"


def in_words(drawn: Transform) -> tuple[str, ...]:
    """What was drawn, in the order in which it is applied."""
    erased = tuple(f"erased: {part.fill}" for part in drawn.erased)
    return (*_moved(drawn.matrix), *(_coloured(each) for each in drawn.colours), *erased, *_mixed(drawn.mix))


def _moved(matrix: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """An affine map as a mirror, a shear or turn or zoom, and a shift; of the picture, whence the opposite signs: but
    what was mirrored comes from the other side."""
    (a, b, c), (d, e, f) = matrix[:2]
    mirrored = ("mirrored",) if a * e - b * d < 0 else ()
    a, d = (-a, -d) if mirrored else (a, d)
    across, down = round(-100 * c), round(-100 * f)
    shift = (f"shift {-across if mirrored else across:+} {down:+} %",) if across or down else ()
    return (*mirrored, *_bent(a, b, d, e), *shift)


def _bent(a: float, b: float, d: float, e: float) -> tuple[str, ...]:
    if max(abs(a - 1), abs(b), abs(d), abs(e - 1)) < 1e-3:
        return ()
    if max(abs(a - e), abs(b + d), abs(math.hypot(a, d) - 1)) < 1e-3:
        return (f"turn {-math.degrees(math.atan2(d, a)):+.0f}°",)
    if max(abs(a - 1), abs(e - 1)) < 1e-3 and min(abs(b), abs(d)) < 1e-3:
        return (f"shear {-(b + d):+.2f}",)
    if max(abs(b), abs(d)) < 0.01:
        return (f"zoom {1 / a:.2f} x {1 / e:.2f}",)
    return (f"affine {a:.2f} {b:.2f} {d:.2f} {e:.2f}",)


UNITS: Mapping[str, str] = {"posterize": "{:.0f} bits", "solarize": "{:.0f}", "hue": "{:+.2f}"}
BARE = ("autocontrast", "equalize", "invert")


def _coloured(colour: Colour) -> str:
    if colour.name in BARE:
        return colour.name
    return f"{colour.name} {UNITS.get(colour.name, '{:.2f}').format(colour.strength)}"


def _mixed(mix: Mix | None) -> tuple[str, ...]:
    return () if mix is None else ("mixed",) if mix.box is None else ("cut and mixed",)
