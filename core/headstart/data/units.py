"""What stays together when records are cut into sides, and what is too small to be on each of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from headstart.data.checks import counted
from headstart.data.split_file import SplitRow
from headstart.specs import TargetKind

EVERY = ""
"""The stratum of records for which the kind of targets gives none."""


@dataclass(frozen=True)
class Unit:
    """Samples that stay together: their `keys`, ascending; `counts` says how many of each stratum."""

    keys: tuple[str, ...]
    counts: Counter[str]


def units_of(rows: Sequence[SplitRow], strata: Sequence[tuple[str, ...]]) -> list[Unit]:
    """Connect rows, sorted by key, that share a group or a content hash. Where the kind spreads nothing, all are of one
    stratum."""
    parent = {row.key: row.key for row in rows}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    first: dict[tuple[str, str], str] = {}
    for row in rows:
        parent[root(row.key)] = root(first.setdefault(("content", row.content_hash), row.key))
        if row.group is not None:
            parent[root(row.key)] = root(first.setdefault(("group", row.group), row.key))
    keys: defaultdict[str, list[str]] = defaultdict(list)
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row, names in zip(rows, strata, strict=True):
        keys[root(row.key)].append(row.key)
        counts[root(row.key)].update(names or (EVERY,))
    return [Unit(tuple(keys[name]), counts[name]) for name in keys]


def samples_of(units: Sequence[Unit]) -> Counter[str]:
    """How many samples there are of each stratum."""
    return Counter(name for unit in units for name in unit.counts.elements())


def too_small(units: Sequence[Unit], sides: int, kind: TargetKind) -> dict[str, str]:
    """The strata that have fewer units than there are sides, by name, each with a sentence about it."""
    samples = samples_of(units)
    pieces = Counter(name for unit in units for name in unit.counts)
    found = {}
    for name in (name for name, count in sorted(pieces.items()) if count < sides):
        groups = f" in {pieces[name]} group{'s' if pieces[name] > 1 else ''} that cannot be divided"
        apart = "" if pieces[name] == samples[name] else groups
        found[name] = f"{kind.noun} {name!r} has {counted(samples[name])}{apart}; {sides} sides need at least {sides}"
    return found
