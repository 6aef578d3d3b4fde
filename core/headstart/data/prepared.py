"""Records to checked, split and prepared samples: everything that training and evaluation read from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from headstart.data.array_store import ArrayStore
from headstart.data.checks import (
    counted,
    duplicate_findings,
    errors_among,
    near_duplicate_findings,
    note_findings,
    raise_errors,
    record_findings,
    skipped_findings,
    target_findings,
    unreadable_findings,
)
from headstart.data.facts import Picked
from headstart.data.hashing import written_target
from headstart.data.lengths import Lengths
from headstart.data.reading import OnProgress, Reading, Verify, read_all
from headstart.data.shares import SplitShares
from headstart.data.split import Cut, Tried, apply_split, rank, try_split
from headstart.data.split_file import SPLITS, Split, SplitRow
from headstart.data.targets import plural, rarest
from headstart.errors import DataError
from headstart.specs import Facts, Finding, InputKind, JudgesNotes, Record, Records, Skipped, TargetKind, Tolerances
from headstart.threads import available_threads

Stratum = tuple[str, str]


def limit_records(
    items: Sequence[Record], limit: int | None, seed: int, kind: TargetKind, *, sides: int = 3
) -> tuple[Record, ...]:
    """At most `limit` records in all, before the split into so many `sides`: strata (and given splits) keep their
    shares.

    Which ones is a function of `seed` and the keys alone. Where strata are exclusive, raises DataError if `limit`
    cannot hold a record of every one for each side (one of each and split where splits are given). Where they overlap,
    a record counts for its rarest, and none has a least number of records.
    """
    if limit is None or limit >= len(items):
        return tuple(items)
    strata: defaultdict[Stratum, list[Record]] = defaultdict(list)
    names = rarest(kind.strata([record.target for record in items]))
    for record, name in zip(items, names, strict=True):
        strata[record.split or "", name].append(record)
    sizes = {stratum: len(strata[stratum]) for stratum in sorted(strata)}
    kept: set[str] = set()
    for stratum, count in _shares(sizes, limit, sides if kind.exclusive else 0, kind.noun).items():
        ranked = sorted(strata[stratum], key=lambda record: rank(seed, "limit", record.key))
        kept.update(record.key for record in ranked[:count])
    return tuple(record for record in items if record.key in kept)


def _shares(sizes: Mapping[Stratum, int], limit: int, least: int, noun: str) -> dict[Stratum, int]:
    """Largest remainders over a floor for each stratum, the `least` that it keeps where it has so many (1 at most of a
    given side); the shares sum up to `limit`."""
    total = sum(sizes.values())
    floors = {name: min(size, least, 1 if name[0] else least) for name, size in sizes.items()}
    if sum(floors.values()) > limit:
        what = f"{len(sizes)} {plural(noun)}"
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


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """How to prepare: `limit` records in all, the seed of limit and split, the `shares` of its sides, the seed `draw`
    of the share of train that learns, and where arrays are kept.

    `split` is a stored split to use again (all of it, or `Split.only` some sides); then `limit`, `split_seed` and
    `shares` have no say and only its samples are read. `read_by` says as plain values what reads: with it `store`
    keeps what was read from run to run.
    """

    limit: int | None = None
    split_seed: int = 0
    shares: SplitShares = field(default_factory=SplitShares)
    draw: int = 0
    split: Split | None = None
    store: ArrayStore = field(default_factory=ArrayStore)
    read_by: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class WholeSide:
    """A side of which only a share learns: `hashes` of all its rows, as `PreparedData.row_hashes` has them, and the
    `places` (row,) int64 of the share among them."""

    hashes: tuple[str, ...]
    places: np.ndarray


@dataclass(frozen=True)
class PreparedData:
    """All samples, sorted by key. A record gives one row of the arrays, or several that follow each other.

    By record: `keys`, `values` (their targets as the dataset gave them) and the rows of `split`. By row: `tensors`
    (row, ...) as the input kind's `tensors` says, `owners` (row,) int64 with the position of its record, `lengths`
    where they differ, and `facts`. `skipped` lists what was left out.
    """

    keys: tuple[str, ...]
    values: tuple[Any, ...]
    split: Split
    tensors: Mapping[str, np.ndarray]
    owners: np.ndarray
    lengths: Lengths | None
    facts: Sequence[Facts]
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    whole: WholeSide | None = None
    """All of train, where only a share of it learns."""

    @property
    def has_several_rows(self) -> bool:
        """True where a record gives several rows."""
        return len(self.owners) != len(self.keys)

    def indices(self, split: str) -> np.ndarray:
        """Rows (row,) int64 of one side, in key order. Raises ValueError for a name that is no side."""
        if split not in SPLITS:
            raise ValueError(f"{split!r} is no split; expected {', '.join(SPLITS)}")
        return self._sides[split]

    @cached_property
    def _sides(self) -> Mapping[str, np.ndarray]:
        sides = np.array([row.split for row in self.split.rows])[self.owners]
        return {name: np.flatnonzero(sides == name).astype(np.int64) for name in SPLITS}

    def firsts(self, split: str) -> np.ndarray:
        """The first row (record,) int64 of each record of one side: each record once."""
        rows = self.indices(split)
        found: np.ndarray = rows[np.unique(self.owners[rows], return_index=True)[1]]
        return found

    @cached_property
    def row_keys(self) -> Sequence[str]:
        """A key for each row: its record's, with "#1", "#2", ... for those after its first."""
        return self._by_row(self.keys)

    @cached_property
    def row_hashes(self) -> Sequence[str]:
        """What each row is: the content hash of its record, told apart as `row_keys` are."""
        return self._by_row(tuple(row.content_hash for row in self.split.rows))

    def _by_row(self, by_record: tuple[str, ...]) -> tuple[str, ...]:
        if len(self.owners) == len(by_record):
            return by_record
        first = np.searchsorted(self.owners, self.owners)
        numbers = np.arange(len(self.owners)) - first
        return tuple(
            by_record[owner] if number == 0 else f"{by_record[owner]}#{number}"
            for owner, number in zip(self.owners, numbers, strict=True)
        )

    def read_values(self, kind: TargetKind, rows: np.ndarray) -> Sequence[Any]:
        """The values of `rows` (row,) int64: each target is read by its kind when it is asked for."""

        def read(row: int) -> Any:
            owner = self.owners[row]
            return kind.read(self.values[owner], self.keys[owner])

        return Picked(read, rows)


def prepare(
    records: Records,
    kind: InputKind,
    targets: TargetKind,
    options: PrepareOptions | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> PreparedData:
    """Check, limit, read, split: everything before the first feature. `targets` is the kind of the records' targets.

    Raises one DataError with all errors that `headstart.data.checks` and the kinds find before anything is read; then
    one for what cannot be read, and one for what `split` refuses.
    """
    options = options or PrepareOptions()
    told = [*records.findings, *record_findings(records.items, targets.check)]
    raise_errors(told)
    items = _chosen(records.items, targets, options)
    verify = _refusing(records.tolerances)
    reading = read_all(
        items, kind, store=options.store, read_by=options.read_by, on_progress=on_progress, verify=verify
    )
    rows = _rows(reading)
    if options.split is None:
        tried = _try_split(reading, rows, targets, options, records.tolerances)
    else:
        tried = Tried(apply_split(rows, options.split), ())
    raise_errors(tried.findings)
    if tried.split is None:
        raise AssertionError("without an error there is a split")
    told += reading_findings(reading, len(items), records.tolerances, kind)
    told += duplicate_findings(tried.split.rows, targets)
    told += skipped_findings(records.skipped)
    told += [*tried.findings, *near_duplicate_findings(tried.split.rows, reading.fingerprints)]
    if tried.skipped:
        reading = reading.only({row.key for row in (*tried.split.rows, *tried.aside)}, options.store)
    skipped = (*records.skipped, *tried.skipped)
    if not tried.aside:
        return _assembled(reading, tried.split, skipped, told)
    everything = Split(tuple(sorted((*tried.split.rows, *tried.aside), key=lambda row: row.key)))
    learn = {row.key for row in tried.split.rows}
    whole = _whole_train(_assembled(reading, everything, skipped, told), learn)
    return replace(_assembled(reading.only(learn, options.store), tried.split, skipped, told), whole=whole)


def prepare_unsplit(
    records: Records,
    kind: InputKind,
    targets: TargetKind,
    *,
    store: ArrayStore | None = None,
    on_progress: OnProgress | None = None,
) -> PreparedData:
    """Other data for a finished run: every row counts as test. One class is fine; labels are the task's matter, and
    what may be unreadable was said when the run was made."""
    told = [
        *records.findings,
        *record_findings(records.items, lambda items: target_findings(items, targets)),
    ]
    raise_errors(told)
    items = sorted(records.items, key=_key)
    verify = _refusing(records.tolerances, can_set=False)
    reading = read_all(items, kind, store=store or ArrayStore(), on_progress=on_progress, verify=verify)
    split = Split(tuple(_rows(reading, side="test")))
    told += reading_findings(reading, len(items), records.tolerances, kind)
    told += duplicate_findings(split.rows, targets)
    told += skipped_findings(records.skipped)
    return _assembled(reading, split, records.skipped, told)


def examine(
    records: Records,
    kind: InputKind,
    targets: TargetKind,
    options: PrepareOptions,
    *,
    on_progress: OnProgress | None = None,
) -> list[Finding]:
    """All that is to be said of the data: what `prepare` would note, and every error that would stop it.

    The split is tried where the records themselves have no error.
    """
    found = [*records.findings, *record_findings(records.items, targets.check)]
    sound = not errors_among(found)
    try:
        items = _chosen(records.items, targets, options) if sound else sorted(records.items, key=_key)
        reading = read_all(
            items,
            kind,
            store=options.store,
            read_by=options.read_by,
            on_progress=on_progress,
        )
        rows = _rows(reading)
    except DataError as error:
        return [*found, Finding("error", error.message, 1, error.hint)]
    tried = Tried(None, ())
    if sound and reading.items:
        tried = _try_split(reading, rows, targets, options, records.tolerances)
    left = rows if tried.split is None else tried.split.rows
    found += reading_findings(reading, len(items), records.tolerances, kind)
    found += duplicate_findings(left, targets)
    found += [*skipped_findings(records.skipped), *tried.findings]
    if tried.split is not None:
        found += near_duplicate_findings(tried.split.rows, reading.fingerprints)
    return found


def _whole_train(data: PreparedData, learn: Collection[str]) -> WholeSide:
    """The train side of `data`, where the records with these keys learn."""
    rows = data.indices("train")
    places = np.flatnonzero([data.keys[owner] in learn for owner in data.owners[rows]]).astype(np.int64)
    return WholeSide(tuple(data.row_hashes[row] for row in rows), places)


def _refusing(tolerances: Tolerances | None, *, can_set: bool = True) -> Verify:
    """Raises DataError where more cannot be read than the data may lack."""
    return lambda skipped, total: raise_errors(unreadable_findings(skipped, total, tolerances, can_set=can_set))


def _try_split(
    reading: Reading,
    rows: Sequence[SplitRow],
    targets: TargetKind,
    options: PrepareOptions,
    tolerances: Tolerances | None,
) -> Tried:
    """The split, and what the targets' own kind says of those that are left, where some are left out."""
    by_key = {item.key: item.target for item in reading.items}
    cut = Cut(options.split_seed, options.shares, options.draw)
    tried = try_split(rows, cut, targets, by_key, tolerances=tolerances)
    if tried.split is None or not (tried.skipped or tried.aside):
        return tried
    left = {row.key for row in tried.split.rows}
    errors = [
        replace(error, message=f"{error.message} (after {counted(len(tried.skipped) + len(tried.aside))} left out)")
        for error in errors_among(targets.check([item for item in reading.items if item.key in left]))
    ]
    return replace(tried, split=None if errors else tried.split, findings=(*tried.findings, *errors))


def reading_findings(reading: Reading, total: int, tolerances: Tolerances | None, kind: InputKind) -> list[Finding]:
    """What reading `total` records told: what could not be read, conversions and what they mean to the input kind."""
    return [
        *unreadable_findings(reading.skipped, total, tolerances),
        *note_findings(reading.notes, reading.warned, len(reading.items)),
        *(kind.judge_notes(reading.notes) if isinstance(kind, JudgesNotes) else ()),
    ]


def _chosen(items: Sequence[Record], targets: TargetKind, options: PrepareOptions) -> list[Record]:
    """The records to read, sorted by key."""
    ordered = sorted(items, key=_key)
    if options.split is None:
        sides = 1 + len(options.shares.cut())
        return list(limit_records(ordered, options.limit, options.split_seed, targets, sides=sides))
    wanted = {row.key for row in options.split.rows}
    chosen = [record for record in ordered if record.key in wanted]
    if not chosen:
        raise DataError("none of the samples of the run's split is in the data", hint="check the path of the data")
    return chosen


def _rows(reading: Reading, side: str | None = None) -> list[SplitRow]:
    """The rows of split.csv, on the side that the dataset fixed or else on `side`; targets that are files are hashed in
    threads."""
    with ThreadPoolExecutor(available_threads()) as pool:
        targets = pool.map(lambda item: written_target(item.target, item.key), reading.items, chunksize=16)
        return [
            SplitRow(item.key, item.split or "" if side is None else side, target, item.group, digest)
            for item, target, digest in zip(reading.items, targets, reading.hashes, strict=True)
        ]


def _key(record: Record) -> str:
    return record.key


def _assembled(
    reading: Reading, split: Split, listed: tuple[Skipped, ...], findings: Sequence[Finding]
) -> PreparedData:
    return PreparedData(
        keys=tuple(item.key for item in reading.items),
        values=tuple(item.target for item in reading.items),
        split=split,
        tensors=reading.tensors,
        owners=reading.owners,
        lengths=reading.lengths,
        facts=reading.facts,
        findings=tuple(findings),
        skipped=(*listed, *reading.skipped),
    )
