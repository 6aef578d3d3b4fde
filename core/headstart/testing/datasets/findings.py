"""What is wrong with records, in words for their author."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.checks import errors_among, given_split_findings
from headstart.data.hashing import content_hash, written_target
from headstart.data.reading import prepared_of
from headstart.data.split import make_split
from headstart.data.split_file import SPLITS, SplitRow
from headstart.data.targets import rarest
from headstart.errors import DataError
from headstart.specs import Finding, InputKind, Record, Records, TargetKind

FIRST = 50
"""Payloads that are read: the first ones, and one of every stratum."""
LARGEST_SPLIT = 4000
"""Records that headstart's own split is tried on."""


def record_problems(records: Records) -> Iterator[str]:
    """Fields of the wrong type, keys that repeat, splits that are none."""
    if not isinstance(records.items, tuple) or not records.items:
        yield f"`items` is {type(records.items).__name__} of {len(records.items)} records; expected a tuple of some"
    if not isinstance(records.symmetries, frozenset) or not all(isinstance(s, str) for s in records.symmetries):
        yield f"`symmetries` is {records.symmetries!r}; expected a frozenset of names"
    for item in records.items:
        yield from _item_problems(item)
    twice = [key for key, count in Counter(item.key for item in records.items).items() if count > 1]
    if twice:
        yield f"{len(twice)} keys are not unique, such as {twice[0]!r}"
    for skipped in records.skipped:
        if not (str(skipped.where).strip() and str(skipped.reason).strip()):
            yield f"{skipped!r} does not say what was left out and why"


def _item_problems(item: Record) -> Iterator[str]:
    if not isinstance(item.key, str) or not item.key.strip():
        yield f"the key {item.key!r} of a record is not a text with something in it"
    if not isinstance(item.payload, Path | bytes | str | np.ndarray | tuple | Mapping):
        yield (
            f"{item.key}: the payload is {type(item.payload).__name__}; "
            "expected Path, bytes, str or a numpy array, or a tuple or mapping of these"
        )
    if item.target is not None and not isinstance(item.target, Path | str | np.ndarray | tuple | Mapping):
        yield (f"{item.key}: target is {item.target!r}; expected a text, Path, numpy array, tuple or mapping, or None")
    if item.group is not None and (not isinstance(item.group, str) or not item.group.strip()):
        yield f"{item.key}: group is {item.group!r}; expected a text with something in it, or None"
    if item.split not in (None, *SPLITS):
        yield f"{item.key}: split is {item.split!r}; expected {', '.join(SPLITS)} or None"


def target_problems(records: Records, targets: TargetKind) -> list[Finding]:
    """What the kind of targets finds that would stop a run."""
    return errors_among(targets.check(_labelled(records)))


def _labelled(records: Records) -> list[Record]:
    return [item for item in records.items if item.target is not None]


def chosen(records: Records, targets: TargetKind) -> list[Record]:
    """The first 50 records, and the first of every stratum."""
    labelled = _labelled(records)
    strata = targets.strata([item.target for item in labelled])
    firsts = {name: item for item, names in reversed(list(zip(labelled, strata, strict=True))) for name in names}
    picked = {item.key: item for item in (*records.items[:FIRST], *firsts.values())}
    return list(picked.values())


def reading_problem(item: Record, kind: InputKind) -> str | None:
    """Why the kind does not read this payload and prepare it to its declared tensors; None where it does."""
    try:
        rows = prepared_of(kind, kind.read(item.payload, item.key), item.key)
    except Exception as exc:
        return f"{item.key}: the input kind cannot read it: {type(exc).__name__}: {exc}"
    expected = {name: (spec.shape, spec.dtype) for name, spec in kind.tensors.items()}
    for row in rows:
        found = {name: (array.shape, array.dtype.name) for name, array in row.tensors.items()}
        if found != expected:
            return f"{item.key}: prepared to {found}; the kind declares {expected}"
    return None


def first_difference(one: Records, other: Records) -> str | None:
    """Where two openings differ; None where they are equal, payloads to the bit."""
    if len(one.items) != len(other.items):
        return f"{len(one.items)} records and then {len(other.items)}"
    for number, (first, second) in enumerate(zip(one.items, other.items, strict=True)):
        if described(first) != described(second):
            return f"record {number} is {first.key!r} and then {second.key!r}, or differs in another field"
    if (one.medium, one.symmetries, one.skipped) != (other.medium, other.symmetries, other.skipped):
        return "medium, symmetries or skipped differ"
    return None


def described(item: Record) -> tuple[str, ...]:
    """A record as plain values that compare; payloads of files by their path, others by their content."""
    payload = str(item.payload) if isinstance(item.payload, Path) else content_hash(item.payload, item.key)
    target = "None" if item.target is None else written_target(item.target, item.key)
    return item.key, payload, target, str(item.group), str(item.split)


def given_split_problem(records: Records) -> str | None:
    """Equal content, or one group, on two sides that the dataset fixes."""
    found = given_split_findings([row for row in _rows(records.items) if row.split])
    return found[0].message if found else None


def own_split_problem(records: Records, targets: TargetKind) -> str | None:
    """Why headstart cannot split it into sides that are disjoint and cover everything."""
    items = _thinned(_labelled(records), targets)
    rows = _rows(items)
    try:
        split = make_split(rows, 0, targets, {item.key: item.target for item in items})
    except DataError as exc:
        return f"{exc}" + (f" ({exc.hint})" if exc.hint else "")
    sides: dict[str, set[str]] = {side: {row.key for row in split.rows if row.split == side} for side in SPLITS}
    if sum(map(len, sides.values())) != len(rows) or set().union(*sides.values()) != {row.key for row in rows}:
        return "the sides of its split do not cover every record exactly once"
    return _content_on_two_sides(split.rows)


def _content_on_two_sides(rows: Sequence[SplitRow]) -> str | None:
    seen: dict[str, SplitRow] = {}
    for row in rows:
        other = seen.setdefault(row.content_hash, row)
        if other.split != row.split:
            return f"{other.key} ({other.split}) and {row.key} ({row.split}) have the same content"
    return None


def _thinned(items: Sequence[Record], targets: TargetKind) -> list[Record]:
    """Every n-th record, so that splitting stays quick; every stratum keeps some where the data is not sorted oddly."""
    by_stratum: dict[str, list[Record]] = {}
    for item, name in zip(items, rarest(targets.strata([item.target for item in items])), strict=True):
        by_stratum.setdefault(name, []).append(item)
    step = max(1, len(items) // LARGEST_SPLIT)
    return [item for same in by_stratum.values() for item in (same[::step] if len(same) >= 10 * step else same)]


def _rows(items: Sequence[Record]) -> list[SplitRow]:
    return [
        SplitRow(
            item.key,
            item.split or "",
            written_target(item.target, item.key),
            item.group,
            content_hash(item.payload, item.key),
        )
        for item in items
    ]


def summary(records: Records) -> Mapping[str, Any]:
    """What another process must find too: every record, in order."""
    return {"records": [described(item) for item in records.items], "medium": records.medium}
