"""What augmentations do to a data set: some samples, and each as the first epochs would see it, as the kind draws it.

Builds no network: it needs no backend.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest

import numpy as np

from headstart.data.array_store import ArrayStore
from headstart.data.reading import Reading, read_all
from headstart.data.targets import build_target_kind
from headstart.data.views import Composed, Mixed, TrainingSamples, View, varied
from headstart.errors import DataError, UsageError
from headstart.lists import below
from headstart.recipes.resolve import ResolvedRecipe, bind
from headstart.registry import Registry
from headstart.runs.planning import backbone_blueprint, build_view, left_out, open_records
from headstart.specs import DrawsSheets, HasScale, InputKind, Preview, Record, Shown, TargetKind

POOL = 64
"""Samples that are read at least, where there are so many: partners of mixtures are picked among them."""
MOST_CELLS = 2_000


def contact_sheet(
    resolved: ResolvedRecipe, registry: Registry, *, samples: int, views: int
) -> tuple[Preview, list[str]]:
    """A row for each of so many samples: the sample, then how epochs 1 to `views` of a run with this seed vary it.

    Returns the sheet as the input kind renders it, and what should be said about it.

    Only partners differ from a run's, which picks them among all of its training samples. Raises UsageError where the
    input kind draws no sheets or the sheet would be huge, DataError where no record can be read.
    """
    cells = samples * (views + 1)
    if cells > MOST_CELLS:
        raise UsageError(
            f"{samples} samples with {views} views are {cells:,} pictures; expected {MOST_CELLS:,} at most",
            hint="ask for fewer --samples or --views",
        )
    records = open_records(resolved, registry)
    bound = bind(resolved, registry, records)
    kind = backbone_blueprint(bound, registry).kind(registry)
    if not isinstance(kind, DrawsSheets):
        raise UsageError(
            f"the input kind {bound.input.name} draws no contact sheets",
            hint="name a dataset of another kind; `headstart datasets` lists what there is",
        )
    view = build_view(bound, registry, records, kind) or View(kind, Composed(()), resolved.recipe.seed)
    targets = build_target_kind(registry, bound.task.targets)
    reading = _read_some(_spread(records.items, targets), kind, max(POOL, samples))
    if not reading.items:
        reasons = below([each.reason for each in reading.skipped])
        raise DataError(f"none of the records can be read:{reasons}", hint="mend these files, or name other data")
    warnings = [*left_out(bound, records), *(each.reason for each in reading.skipped)]  # reasons name the file
    words = ["" if item.target is None else targets.words(item.target) for item in reading.items]
    words = [each if each.strip() else "no label" for each in words]
    rows = _rows(reading, words, view, samples=samples, views=views)
    titles = ("as it is", *(f"epoch {number + 1}" for number in range(views)))
    return kind.sheet(rows, titles), warnings


def _read_some(items: Sequence[Record], kind: InputKind, count: int) -> Reading:
    """The first `count` of `items` that can be read, where there are so many, perhaps some more; those in between that
    cannot are among the `skipped`."""
    tried = count
    while True:
        reading = read_all(items[:tried], kind, store=ArrayStore())
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


def _rows(reading: Reading, words: Sequence[str], view: View, *, samples: int, views: int) -> list[list[Shown]]:
    keys = tuple(record.key for record in reading.items)
    first = np.searchsorted(reading.owners, np.arange(len(keys)))  # of the rows of each record
    firsts = {each: array[first] for each, array in reading.tensors.items()}
    pool = TrainingSamples(firsts, keys, np.arange(len(keys)))
    count = min(samples, len(keys))
    rows = [[Shown(pool.at(place)[1], (words[place],), notes=(keys[place],))] for place in range(count)]
    for epoch in range(1, views + 1):
        found = varied(pool, np.arange(count), view, epoch)
        for place in range(count):
            tensors = {name: array[place] for name, array in found.tensors.items()}
            labels = _labels(words, place, found.mixed)
            rows[place].append(Shown(tensors, labels, view.draw(epoch, keys[place])))
    return rows


def _labels(words: Sequence[str], place: int, mixed: Mixed | None) -> tuple[str, ...]:
    """The target in words; of a mixture both with their shares, or one where they are the same."""
    own = words[place]
    other = own if mixed is None else words[int(mixed.rows[place])]
    if mixed is None or other == own:
        return (own,)
    percent = round(100 * float(mixed.shares[place]))
    return f"{own}: {percent} %", f"{other}: {100 - percent} %"
