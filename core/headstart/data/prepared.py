"""Records to checked, split and prepared samples: everything that training and evaluation read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from headstart.data.checks import (
    Finding,
    check_form,
    check_records,
    check_targets,
    duplicate_findings,
    near_duplicate_findings,
    note_findings,
    skipped_findings,
)
from headstart.data.limit import limit_records
from headstart.data.reading import OnProgress, Reading, read_all
from headstart.data.sample_store import SampleStore
from headstart.data.split import apply_split, make_split
from headstart.data.split_file import SPLITS, Split, SplitRow
from headstart.errors import DataError
from headstart.specs import InputKind, Record, Records, Skipped, TargetForm


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """How to prepare: `limit` records in all, the seed of limit and split, and where large arrays may be put.

    `split` is a stored split to use again (all of it, or `Split.only` some sides); then `limit` and
    `split_seed` have no say and only its samples are read. `store` keeps what was read from run to run. `form` is
    that of the targets.
    """

    limit: int | None = None
    split_seed: int = 0
    scratch: Path | None = None
    split: Split | None = None
    store: SampleStore | None = None
    form: TargetForm = "class"


@dataclass(frozen=True)
class PreparedData:
    """All samples, sorted by key, in parallel: row i of every field and array is the same sample.

    `tensors` are (samples, ...) arrays as the input kind's `tensors` says. `skipped` lists what was left out.
    """

    keys: tuple[str, ...]
    targets: tuple[str, ...]
    groups: tuple[str | None, ...]
    hashes: tuple[str, ...]
    split: Split
    tensors: Mapping[str, np.ndarray]
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]

    def indices(self, split: str) -> np.ndarray:
        """Rows (samples,) int64 of one side, in key order. Raises ValueError for a name that is no side."""
        if split not in SPLITS:
            raise ValueError(f"{split!r} is no split; expected {', '.join(SPLITS)}")
        return self._sides[split]

    @cached_property
    def _sides(self) -> Mapping[str, np.ndarray]:
        sides = np.array([row.split for row in self.split.rows])
        return {name: np.flatnonzero(sides == name).astype(np.int64) for name in SPLITS}


def prepare(
    records: Records,
    kind: InputKind,
    options: PrepareOptions | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> PreparedData:
    """Check, limit, read, split: everything before the first feature.

    Raises DataError for what `headstart.data.checks`, `limit` and `split` refuse, naming file, class or key.
    """
    options = options or PrepareOptions()
    check_form(records.targets, options.form, "leave --task out, or name one for labels, such as --task multilabel")
    check_records(records.items, options.form)
    check_targets(records.items, options.form)
    items = _chosen(records.items, options)
    reading = read_all(items, kind, scratch=options.scratch, on_progress=on_progress, store=options.store)
    rows = _rows(reading)
    if options.split is None:
        split = make_split(rows, options.split_seed, options.form)
    else:
        split = apply_split(rows, options.split)
    return _assembled(reading, split, records.skipped, near=True)


def prepare_unsplit(
    records: Records,
    kind: InputKind,
    *,
    form: TargetForm = "class",
    scratch: Path | None = None,
    on_progress: OnProgress | None = None,
) -> PreparedData:
    """Other data for a finished run: every row counts as test. One class is fine; labels are the task's
    matter."""
    check_form(records.targets, form, "name data with one target a sample, or a run whose task learns several labels")
    check_records(records.items, form)
    items = sorted(records.items, key=_key)
    reading = read_all(items, kind, scratch=scratch, on_progress=on_progress)
    split = Split(tuple(_row(item, digest, "test") for item, digest in _pairs(reading)))
    return _assembled(reading, split, records.skipped, near=False)


def _chosen(items: Sequence[Record], options: PrepareOptions) -> list[Record]:
    """The records to read, sorted by key."""
    ordered = sorted(items, key=_key)
    if options.split is None:
        return list(limit_records(ordered, options.limit, options.split_seed, options.form))
    wanted = {row.key for row in options.split.rows}
    chosen = [record for record in ordered if record.key in wanted]
    if not chosen:
        raise DataError("none of the samples of the run's split is in the data", hint="check the path of the data")
    return chosen


def _rows(reading: Reading) -> list[SplitRow]:
    return [_row(item, digest, item.split or "") for item, digest in _pairs(reading)]


def _row(item: Record, digest: str, split: str) -> SplitRow:
    return SplitRow(item.key, split, item.target or "", item.group, digest)


def _pairs(reading: Reading) -> zip[tuple[Record, str]]:
    return zip(reading.items, reading.hashes, strict=True)


def _key(record: Record) -> str:
    return record.key


def _assembled(reading: Reading, split: Split, listed: tuple[Skipped, ...], *, near: bool) -> PreparedData:
    skipped = (*listed, *reading.skipped)
    findings = [*skipped_findings(reading.skipped), *note_findings(reading.notes)]
    findings += duplicate_findings(split.rows)
    if near:
        findings += near_duplicate_findings(split.rows, reading.fingerprints)
    return PreparedData(
        keys=tuple(item.key for item in reading.items),
        targets=tuple(item.target or "" for item in reading.items),
        groups=tuple(item.group for item in reading.items),
        hashes=reading.hashes,
        split=split,
        tensors=reading.tensors,
        findings=tuple(findings),
        skipped=skipped,
    )
