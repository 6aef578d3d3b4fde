"""Fewer records, with the strata of their targets (classes, labels, ranges of numbers) in proportion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction

from headstart.data.ranking import rank
from headstart.data.targets import plural, rarest
from headstart.errors import DataError
from headstart.specs import Record, TargetKind

SMALLEST = 3
"""Records that each exclusive stratum keeps where it has them: one a side."""

Stratum = tuple[str, str]


def limit_records(items: Sequence[Record], limit: int | None, seed: int, kind: TargetKind) -> tuple[Record, ...]:
    """At most `limit` records in all, before the split: strata (and given splits) keep their shares.

    Which ones is a function of `seed` and the keys alone. Where strata are exclusive, raises DataError if `limit`
    cannot hold three records of every one (one of each and split where splits are given). Where they overlap, a record
    counts for its rarest, and none has a least number of records.
    """
    if limit is None or limit >= len(items):
        return tuple(items)
    strata: defaultdict[Stratum, list[Record]] = defaultdict(list)
    names = rarest(kind.strata([record.target for record in items]))
    for record, name in zip(items, names, strict=True):
        strata[record.split or "", name].append(record)
    sizes = {stratum: len(strata[stratum]) for stratum in sorted(strata)}
    kept: set[str] = set()
    for stratum, count in _shares(sizes, limit, kind).items():
        ranked = sorted(strata[stratum], key=lambda record: rank(seed, "limit", record.key))
        kept.update(record.key for record in ranked[:count])
    return tuple(record for record in items if record.key in kept)


def _shares(sizes: Mapping[Stratum, int], limit: int, kind: TargetKind) -> dict[Stratum, int]:
    """Largest remainders over a floor for each stratum; the shares sum up to `limit`."""
    total = sum(sizes.values())
    floors = {name: min(size, 1 if name[0] else SMALLEST) if kind.exclusive else 0 for name, size in sizes.items()}
    if sum(floors.values()) > limit:
        what = f"{len(sizes)} {plural(kind.noun)}"
        raise DataError(
            f"a limit of {limit} records cannot hold {what}; {sum(floors.values())} are needed",
            hint=f"--limit {sum(floors.values())} or more",
        )
    exact = {name: Fraction(limit * size, total) for name, size in sizes.items()}
    shares = {name: max(floors[name], int(exact[name])) for name in sizes}
    while (missing := limit - sum(shares.values())) != 0:
        step = 1 if missing > 0 else -1
        movable = [n for n in sizes if (shares[n] < sizes[n] if step > 0 else shares[n] > floors[n])]
        name = max(movable, key=lambda n: (step * (exact[n] - shares[n]), n))
        shares[name] += step
    return shares
