"""Fewer records, with the classes (or labels, or ranges of numbers) in proportion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction

from headstart.data.ranking import rank
from headstart.data.strata import rarest, strata_of
from headstart.errors import DataError
from headstart.specs import Record, TargetForm

SMALLEST = 3
"""Records that each class keeps where it has them: one a side."""

Stratum = tuple[str, str]


def limit_records(
    items: Sequence[Record], limit: int | None, seed: int, form: TargetForm = "class"
) -> tuple[Record, ...]:
    """At most `limit` records in all, before the split: classes (and given splits) keep their shares.

    Which ones is a function of `seed` and the keys alone. Raises DataError where `limit` cannot hold three
    records of every class (one of each class and split where splits are given). Of labels a record counts for its
    rarest; neither labels nor ranges of numbers have a least number of records.
    """
    if limit is None or limit >= len(items):
        return tuple(items)
    strata: defaultdict[Stratum, list[Record]] = defaultdict(list)
    names = rarest(strata_of([record.target or "" for record in items], form))
    for record, name in zip(items, names, strict=True):
        strata[record.split or "", name].append(record)
    sizes = {stratum: len(strata[stratum]) for stratum in sorted(strata)}
    kept: set[str] = set()
    for stratum, count in _shares(sizes, limit, has_least=form == "class").items():
        ranked = sorted(strata[stratum], key=lambda record: rank(seed, "limit", record.key))
        kept.update(record.key for record in ranked[:count])
    return tuple(record for record in items if record.key in kept)


def _shares(sizes: Mapping[Stratum, int], limit: int, *, has_least: bool) -> dict[Stratum, int]:
    """Largest remainders over a floor for each stratum; the shares sum up to `limit`."""
    total = sum(sizes.values())
    floors = {name: min(size, 1 if name[0] else SMALLEST) if has_least else 0 for name, size in sizes.items()}
    if sum(floors.values()) > limit:
        raise DataError(
            f"a limit of {limit} records cannot hold {len(sizes)} classes; {sum(floors.values())} are needed",
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
