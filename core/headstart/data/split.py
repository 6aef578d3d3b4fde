"""The split: who trains, who chooses, who judges; a function of the seed and the keys alone.

Stratified as the kind of targets says: each record in one stratum, such as its class, or in several that overlap, such
as its labels (in the manner of iterative stratification, Sechidis et al. 2011). What belongs together (a group, or
exact copies) stays on one side. Sides that the dataset fixes are kept; a missing one is cut from train.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headstart.data.checks import given_split_findings, raise_errors
from headstart.data.split_file import SPLITS, Split, SplitRow
from headstart.errors import DataError
from headstart.specs import AdvisesOnFew, Finding, TargetKind


def rank(seed: int, purpose: str, key: str) -> bytes:
    """32 bytes to sort by: SHA-256 of seed, purpose and key. Different purposes give unrelated orders."""
    return hashlib.sha256(f"{seed}\0{purpose}\0{key}".encode("utf-8", "surrogateescape")).digest()


TEST_SHARE = 0.2
VAL_SHARE = 0.2
"""Of what is left after test: 64/16/20 in all."""
EVERY = ""
"""The stratum of records for which the kind of targets gives none."""


@dataclass(frozen=True)
class Unit:
    """Samples that stay together: their `keys`, ascending; `counts` says how many of each stratum."""

    keys: tuple[str, ...]
    counts: Counter[str]


def make_split(
    rows: Iterable[SplitRow], seed: int, kind: TargetKind, targets: Mapping[str, Any] | None = None
) -> Split:
    """Fill in the sides: `rows` have "" as `split` where the dataset gives none. `targets` are those by key; without
    them the texts of the rows.

    Raises DataError with everything that `try_split` finds.
    """
    split, findings = try_split(rows, seed, kind, targets)
    raise_errors(findings)
    if split is None:
        raise AssertionError("without an error there is a split")
    return split


def try_split(
    rows: Iterable[SplitRow], seed: int, kind: TargetKind, targets: Mapping[str, Any] | None = None
) -> tuple[Split | None, list[Finding]]:
    """As `make_split`; None where there are errors, and those.

    Some rows have a side and others none; nothing is given for training; given sides share contents or groups; an
    exclusive stratum has too few samples to be on every side; something that train must have is on another side only;
    a side would have no sample.
    """
    ordered = sorted(rows, key=lambda row: row.key)
    by_key = {row.key: row.target for row in ordered} if targets is None else targets
    given = {row.split for row in ordered}
    shares = {name: share for name, share in {"test": TEST_SHARE, "val": VAL_SHARE}.items() if name not in given}
    if given != {""}:
        errors = _given_findings(ordered, given) or given_split_findings(ordered)
        if errors:
            return None, errors
    to_cut = [row for row in ordered if row.split in ("", "train")]
    targets_to_cut = [by_key[row.key] for row in to_cut]
    units = _units(to_cut, kind.strata(targets_to_cut))
    errors = _tiny_findings(units, len(shares) + 1, targets_to_cut, kind) if shares and kind.exclusive else []
    if errors:
        return None, errors
    sides = _cut(units, shares, seed, kind) if shares else {row.key: "train" for row in to_cut}
    split = Split(tuple(replace(row, split=sides.get(row.key, row.split)) for row in ordered))
    there = {row.split for row in split.rows}
    hint = "add samples, or give the splits yourself"
    errors = [
        *_lacking_in_train(split.rows, by_key, kind),
        *[
            Finding("error", f"no sample is left for {side}, of {len(split.rows)} in all", len(split.rows), hint)
            for side in SPLITS
            if side not in there
        ],
    ]
    return (None if errors else split), errors


def apply_split(rows: Iterable[SplitRow], split: Split) -> Split:
    """The stored `split` again, after checking that the samples are still what they were.

    Raises DataError naming the first sample that is gone or whose content or label changed.
    """
    now = {row.key: row for row in rows}
    for row in split.rows:
        found = now.get(row.key)
        if found is None:
            raise DataError(f"{row.key}: in the run's split but no longer in the data", hint="put it back")
        if (found.content_hash, found.target) != (row.content_hash, row.target):
            raise DataError(f"{row.key}: changed since the run's split was written", hint="put the old one back")
    return split


def _given_findings(rows: Sequence[SplitRow], given: set[str]) -> list[Finding]:
    without = [row.key for row in rows if row.split == ""]
    if without:
        message = f"{without[0]}: no split given, while others have one"
        return [Finding("error", message, len(without), "give a split to all or to none")]
    if "train" not in given:
        return [Finding("error", f"the data gives {', '.join(sorted(given))} but nothing to train on", len(rows))]
    return []


def _lacking_in_train(rows: Sequence[SplitRow], by_key: Mapping[str, Any], kind: TargetKind) -> list[Finding]:
    named = [(row, name) for row in rows for name in kind.names(by_key[row.key])]
    trained = {name for row, name in named if row.split == "train"}
    lacking: defaultdict[str, list[SplitRow]] = defaultdict(list)
    for row, name in named:
        if name not in trained:
            lacking[name].append(row)
    return [
        Finding(
            "error",
            f"{kind.noun} {name!r} is in {same[0].split} ({same[0].key}) but not in train",
            len(same),
            f"move a sample with that {kind.noun} to train, or leave the {kind.noun} out",
        )
        for name, same in lacking.items()
    ]


def _cut(units: Sequence[Unit], shares: Mapping[str, float], seed: int, kind: TargetKind) -> dict[str, str]:
    """The side of each key: each side of `shares` in turn gets its share of what is still left; the rest is train."""
    quotas = _quotas(units, shares, has_least=kind.exclusive)
    sides: dict[str, str] = {}
    left = {name: dict(quota) for name, quota in quotas.items()}
    for unit in _in_order(units, seed, overlap=not kind.exclusive):
        # The side that still lacks the largest share of what it should get of the unit's strata; train wins ties.
        needs = {
            side: sum(count * left[side][label] / max(1, quotas[side][label]) for label, count in unit.counts.items())
            for side in SPLITS
            if side in left
        }
        side = max(needs, key=needs.__getitem__)
        for label, count in unit.counts.items():
            left[side][label] -= count
        sides.update(dict.fromkeys(unit.keys, side))
    return sides


def _in_order(units: Sequence[Unit], seed: int, *, overlap: bool) -> list[Unit]:
    """Large units first, which are hardest to place; where strata overlap, those with the rarest stratum before."""
    samples = _samples(units)

    def place(unit: Unit) -> tuple[int, int, bytes]:
        rarest = min(samples[name] for name in unit.counts) if overlap else 0
        return rarest, -len(unit.keys), rank(seed, "split", unit.keys[0])

    return sorted(units, key=place)


def _quotas(units: Sequence[Unit], shares: Mapping[str, float], *, has_least: bool) -> dict[str, dict[str, int]]:
    """How many samples of each stratum each side should get, in proportion; with `has_least` at least one, and sums
    right to a sample."""
    samples = _samples(units)
    labels = sorted(samples)
    left = {label: samples[label] for label in labels}
    quotas: dict[str, dict[str, int]] = {}
    for later, (side, share) in zip(range(len(shares), 0, -1), shares.items(), strict=True):
        quotas[side] = (
            _proportional(left, share, keep=later)
            if has_least
            # Each rounded by itself: strata overlap, and a single sample is for train.
            else {label: int(share * count + 0.5) for label, count in left.items()}
        )
        left = {label: left[label] - quotas[side][label] for label in labels}
    return {**quotas, "train": left}


def _proportional(left: Mapping[str, int], share: float, *, keep: int) -> dict[str, int]:
    """`share` of each count, rounded so that running sums are right; at least 1, and at least `keep` stay."""
    taken: dict[str, int] = {}
    wanted = done = 0.0
    for label, count in left.items():
        wanted += share * count
        taken[label] = min(max(1, int(wanted - done + 0.5)), count - keep)
        done += taken[label]
    return taken


def _tiny_findings(units: Sequence[Unit], sides: int, targets: Sequence[Any], kind: TargetKind) -> list[Finding]:
    """An error for each stratum that has fewer units than there are sides."""
    samples = _samples(units)
    pieces = Counter(name for unit in units for name in unit.counts)
    tiny = [name for name, count in sorted(pieces.items()) if count < sides]
    advice = kind.advice(targets) if tiny and isinstance(kind, AdvisesOnFew) else None
    hint = advice or f"add samples, leave the {kind.noun} out, or give the splits yourself"
    found = []
    for name in tiny:
        groups = f" in {pieces[name]} group{'s' if pieces[name] > 1 else ''} that cannot be divided"
        apart = "" if pieces[name] == samples[name] else groups
        plural = "sample" if samples[name] == 1 else "samples"
        message = f"{kind.noun} {name!r} has {samples[name]} {plural}{apart}; {sides} sides need at least {sides}"
        found.append(Finding("error", message, samples[name], hint))
    return found


def _units(rows: Sequence[SplitRow], strata: Sequence[tuple[str, ...]]) -> list[Unit]:
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


def _samples(units: Sequence[Unit]) -> Counter[str]:
    """How many samples there are of each stratum."""
    return Counter(name for unit in units for name in unit.counts.elements())
