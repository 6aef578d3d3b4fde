"""What the data's Tolerances leave out of a split, or keep in train alone, each with what is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from headstart.data.checks import MAX_ERRORS, counted
from headstart.data.split_file import SPLITS, SplitRow
from headstart.data.targets import plural
from headstart.data.units import Unit, samples_of, too_small, units_of
from headstart.lists import in_line
from headstart.specs import Finding, Skipped, TargetKind


def copies_left_out(rows: Sequence[SplitRow]) -> tuple[dict[str, Skipped], list[Finding]]:
    """By key, each row in train whose content is in val or test too, and each in val whose content is in test."""
    judges: dict[str, SplitRow] = {}
    for row in sorted(rows, key=lambda row: -SPLITS.index(row.split)):  # test first, and stable
        judges.setdefault(row.content_hash, row)
    found = {}
    for row in rows:
        judge = judges[row.content_hash]
        if row.split != judge.split:
            labels = "" if row.target == judge.target else f", there as {judge.target!r} and here as {row.target!r}"
            reason = f"in {row.split}, with the content of {judge.key} in {judge.split}{labels}"
            found[row.key] = Skipped(row.key, reason)
    if not found:
        return {}, []
    keys = in_line(list(found), between="; ")
    message = f"{counted(len(found))} left out, whose contents are in val or test too: {keys}"
    cases = tuple(f"{each.where}: {each.reason}" for each in found.values())
    return found, [Finding("warning", message, len(found), cases=cases)]


def rare_left_out(
    rows: Sequence[SplitRow], by_key: Mapping[str, Any], sides: int, kind: TargetKind
) -> tuple[dict[str, Skipped], list[Finding]]:
    """By key all rows, of given sides too, in a stratum that has fewer units to be cut than there are `sides`."""
    strata = {row.key: names for row, names in zip(rows, kind.strata([by_key[row.key] for row in rows]), strict=True)}
    to_cut = [row for row in rows if row.split in ("", "train")]
    units = units_of(to_cut, [strata[row.key] for row in to_cut])
    tiny, trained = too_small(units, sides, kind), samples_of(units)
    reasons: dict[str, str] = {}
    found = {}
    for row in rows:
        for name in strata[row.key]:
            if name in tiny or name not in trained:
                reasons[name] = tiny.get(name, f"{kind.noun} {name!r} is not in train")
                found[row.key] = Skipped(row.key, reasons[name])
    if not found:
        return {}, []
    message = f"{_several(reasons, kind)} too small to be on every side, and left out with {counted(len(found))}"
    cases = tuple(reasons[name] for name in sorted(reasons))
    return found, [Finding("warning", message, len(found), cases=cases)]


def unknown_left_out(
    rows: Sequence[SplitRow], by_key: Mapping[str, Any], kind: TargetKind
) -> tuple[dict[str, Skipped], list[Finding]]:
    """By key each row of val and test whose target names something that none in train names."""
    trained = {name for row in rows if row.split == "train" for name in kind.names(by_key[row.key])}
    found, unknown = {}, set()
    for row in rows:
        names = [name for name in kind.names(by_key[row.key]) if name not in trained]
        if names:
            found[row.key] = Skipped(row.key, f"{kind.noun} {names[0]!r} is not in train")
            unknown |= {*names}
    if not found:
        return {}, []
    message = f"{_several(unknown, kind)} not in train, and left out with {counted(len(found))}"
    return found, [Finding("warning", message, len(found), cases=tuple(found))]


def rare_in_train(
    units: Sequence[Unit], tiny: Collection[str], others: Collection[str], kind: TargetKind
) -> tuple[frozenset[str], Finding]:
    """The strata that are in train alone: the `tiny` ones, and what has too few units for the `others`, sides that are
    cut from train, once each unit with any of them is in train."""
    found = frozenset(tiny)
    while True:
        free = Counter(name for unit in units if found.isdisjoint(unit.counts) for name in unit.counts)
        more = {name for unit in units for name in unit.counts if free[name] < len(others)}
        if more <= found:
            break
        found |= more
    samples = samples_of(units)
    there = " or ".join(side for side in SPLITS if side in others)
    message = (
        f"{_several(found, kind)} too small to be on every side, and so not cut for {there}: "
        "no metric there tells how well that is learned"
    )
    cases = tuple(f"{kind.noun} {name!r} has {counted(samples[name])}, none for {there}" for name in sorted(found))
    return found, Finding("warning", message, sum(samples[name] for name in found), cases=cases)


def _several(names: Collection[str], kind: TargetKind) -> str:
    """So many strata, and which: "2 classes ('a'; 'b') are"."""
    quoted = in_line([repr(name) for name in sorted(names)], MAX_ERRORS, between="; ")
    return f"{len(names)} {plural(kind.noun)} ({quoted}) are" if len(names) > 1 else f"{kind.noun} {quoted} is"
