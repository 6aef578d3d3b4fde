"""What is wrong with records, in words for their author."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.data.checks import check_given_splits, check_look_alikes
from headstart.data.hashing import content_hash
from headstart.data.split import make_split
from headstart.data.split_file import SPLITS, SplitRow
from headstart.errors import DataError
from headstart.specs import InputKind, Record, Records

FIRST = 50
"""Payloads that are read: the first ones, and one of every class."""
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
    if not isinstance(item.payload, Path | bytes | str | np.ndarray):
        yield f"{item.key}: the payload is {type(item.payload).__name__}; expected Path, bytes, str or a numpy array"
    for field in ("target", "group"):
        value = getattr(item, field)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            yield f"{item.key}: {field} is {value!r}; expected a text with something in it, or None"
    if item.split not in (None, *SPLITS):
        yield f"{item.key}: split is {item.split!r}; expected {', '.join(SPLITS)} or None"


def class_problem(records: Records) -> str | None:
    """Fewer than two classes, or two that a reader cannot tell apart."""
    names = {item.target for item in records.items if item.target is not None}
    if len(names) < 2:
        return f"its classes are {sorted(names)}; learning needs at least two"
    try:
        check_look_alikes(names)
    except DataError as exc:
        return str(exc)
    return None


def chosen(records: Records) -> list[Record]:
    """The first 50 records, and the first of every class."""
    firsts = {item.target: item for item in reversed(records.items)}
    picked = {item.key: item for item in (*records.items[:FIRST], *firsts.values())}
    return list(picked.values())


def reading_problem(item: Record, kind: InputKind) -> str | None:
    """Why the kind does not read this payload and prepare it to its declared tensors; None where it does."""
    try:
        prepared = kind.prepare(kind.read(item.payload, item.key))
    except Exception as exc:
        return f"{item.key}: the input kind cannot read it: {type(exc).__name__}: {exc}"
    found = {name: (array.shape, array.dtype.name) for name, array in prepared.items()}
    expected = {name: (spec.shape, spec.dtype) for name, spec in kind.tensors.items()}
    return None if found == expected else f"{item.key}: prepared to {found}; the kind declares {expected}"


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
    return item.key, payload, *(str(value) for value in (item.target, item.group, item.split))


def given_split_problem(records: Records) -> str | None:
    """Equal content, or one group, on two sides that the dataset fixes."""
    try:
        check_given_splits([row for row in _rows(records.items) if row.split])
    except DataError as exc:
        return str(exc)
    return None


def own_split_problem(records: Records) -> str | None:
    """Why headstart cannot split it into sides that are disjoint and cover everything."""
    rows = _rows(_thinned([item for item in records.items if item.target is not None]))
    try:
        split = make_split(rows, seed=0)
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


def _thinned(items: Sequence[Record]) -> list[Record]:
    """Every n-th record, so that splitting stays quick; every class keeps some where the data is not sorted oddly."""
    by_class: dict[str | None, list[Record]] = {}
    for item in items:
        by_class.setdefault(item.target, []).append(item)
    step = max(1, len(items) // LARGEST_SPLIT)
    return [item for same in by_class.values() for item in (same[::step] if len(same) >= 10 * step else same)]


def _rows(items: Sequence[Record]) -> list[SplitRow]:
    return [
        SplitRow(item.key, item.split or "", item.target or "", item.group, content_hash(item.payload, item.key))
        for item in items
    ]


def summary(records: Records) -> Mapping[str, Any]:
    """What another process must find too: every record, in order."""
    return {"records": [described(item) for item in records.items], "medium": records.medium}
