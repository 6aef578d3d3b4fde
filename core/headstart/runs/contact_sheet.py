"""What augmentations do to a data set: some samples, and each as the first epochs would see it, as the kind draws it.

Builds no network: it needs no backend.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, zip_longest
from typing import Any, cast

import numpy as np

from headstart.data.array_store import ArrayStore
from headstart.data.reading import Reading, read_all
from headstart.data.targets import build_target_kind
from headstart.data.views import Composed, Mixed, TrainingSamples, View, blended, moved, partners, varied
from headstart.errors import DataError, UsageError
from headstart.lists import below
from headstart.recipes.resolve import BoundRecipe, ResolvedRecipe, bind
from headstart.registry import Registry
from headstart.runs.planning import backbone_blueprint, build_view, left_out, open_records
from headstart.specs import (
    Batch,
    DrawsSheets,
    HasScale,
    InputKind,
    MarksTargets,
    Preview,
    Record,
    Shown,
    TargetKind,
    Task,
    TaskRequest,
)

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
    if targets.moves:
        view = replace(view, targets=targets.transform)
    marking = _marking(bound, registry, (kind, targets), reading)
    rows = _rows(_Shown(reading, words, marking), view, samples=samples, views=views)
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


@dataclass(frozen=True)
class _Marking:
    """What draws targets over samples, and the encoded targets (record, ...) of all records."""

    task: Task
    marks: Callable[[Batch], Sequence[Sequence[Any]]]
    targets: Batch

    def varied(self, pool: TrainingSamples, count: int, view: View, epoch: int) -> Sequence[Sequence[Any]]:
        """The marks of the first `count` samples as they are varied in an epoch."""
        places = np.arange(count)
        own: Batch = moved(pool, self.targets, places, view, epoch)
        if (mixed := partners(pool, places, view, epoch)) is not None:
            others = [moved(pool, self.targets, each, view, epoch) for each in mixed.rounds]
            own = blended(self.task, own, others, mixed)
        return self.marks(own)


@dataclass(frozen=True)
class _Shown:
    """Records that were read, each target in words, and what draws the targets, where anything does."""

    reading: Reading
    words: Sequence[str]
    marking: _Marking | None


def _marking(
    bound: BoundRecipe, registry: Registry, kinds: tuple[InputKind, TargetKind], reading: Reading
) -> _Marking | None:
    """What draws the targets over samples: where they move along with these, all are known, and the task can. `kinds`
    are those of the samples and of their targets."""
    inputs, kind = kinds
    if not kind.moves or any(item.target is None for item in reading.items):
        return None
    values = [kind.read(item.target, item.key) for item in reading.items]
    request = TaskRequest(bound.options["task"], targets=values, inputs=inputs.tensors)
    task: Task = registry.load_target(bound.task, bound.task.build)(request)
    if not isinstance(task, MarksTargets):
        return None
    facts = [reading.facts[row] for row in _first_rows(reading)]
    encoded = task.encode(values, facts, [item.key for item in reading.items])
    return _Marking(cast("Task", task), task.marks, encoded)


def _first_rows(reading: Reading) -> np.ndarray:
    """The first of the rows of each record."""
    return np.searchsorted(reading.owners, np.arange(len(reading.items)))


def _rows(shown: _Shown, view: View, *, samples: int, views: int) -> list[list[Shown]]:
    reading, words, marking = shown.reading, shown.words, shown.marking
    keys, first = tuple(record.key for record in reading.items), _first_rows(reading)
    firsts = {each: array[first] for each, array in reading.tensors.items()}
    facts = [reading.facts[row] for row in first] if len(reading.facts) else []
    pool = TrainingSamples(firsts, keys, np.arange(len(keys)), facts=facts)
    count = min(samples, len(keys))
    nothing: Sequence[Sequence[Any]] = [()] * count
    marks = nothing if marking is None else marking.marks({n: each[:count] for n, each in marking.targets.items()})
    rows = [
        [Shown(pool.at(place)[1], (words[place],), notes=(keys[place],), marks=tuple(marks[place]))]
        for place in range(count)
    ]
    for epoch in range(1, views + 1):
        found = varied(pool, np.arange(count), view, epoch)
        marks = nothing if marking is None else marking.varied(pool, count, view, epoch)
        for place in range(count):
            tensors = {name: array[place] for name, array in found.tensors.items()}
            labels = _labels(words, place, found.mixed) if marking is None else ()
            drawn = view.draw(epoch, keys[place])
            rows[place].append(Shown(tensors, labels, drawn, marks=tuple(marks[place])))
    return rows


def _labels(words: Sequence[str], place: int, mixed: Mixed | None) -> tuple[str, ...]:
    """The target in words; of a mixture all with their shares, or one where they are the same."""
    shares: dict[str, float] = {words[place]: 1.0}
    for each in () if mixed is None else mixed.rounds:
        own, other = float(each.shares[place]), words[int(each.rows[place])]
        shares = {word: share * own for word, share in shares.items()}
        shares[other] = shares.get(other, 0.0) + 1 - own
    if len(shares) == 1:
        return (words[place],)
    told, before = [], 0
    for word, until in zip(shares, accumulate(shares.values()), strict=True):
        told.append(f"{word}: {round(100 * until) - before} %")
        before = round(100 * until)
    return tuple(told)
