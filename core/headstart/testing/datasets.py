"""The contract of datasets, in levels: declared, opened."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

from headstart.data.checks import errors_among, given_split_findings
from headstart.data.made import made_folder, make_dataset
from headstart.data.split import make_split
from headstart.data.split_file import SPLITS, SplitRow
from headstart.data.targets import build_target_kind, find_targets, kinds_of, rarest
from headstart.errors import UsageError
from headstart.specs import (
    DatasetRequest,
    Finding,
    InputKind,
    InputSpec,
    Record,
    Records,
    Stored,
    TargetKind,
    Tolerances,
)
from headstart.testing.contract import own_place, shared
from headstart.testing.declared import Declared
from headstart.testing.fresh_process import run_fresh
from headstart.testing.input_kinds import WithInputKind

TOLERANCES = tuple(each.name for each in fields(Tolerances))
FIRST = 50
"""Payloads that are read: the first ones, and one of every stratum."""
LARGEST_SPLIT = 4000
"""Records that headstart's own split is tried on."""
ORDER = "Sort what you list: folders, sets and dicts come in another order elsewhere."
WRITES = "Read only; what must be kept for later belongs below a cache folder, such as platformdirs gives."


class DatasetDeclared(Declared):
    """The spec of a dataset is complete."""

    _kind = "datasets"

    def test_its_licence_is_stated(self) -> None:
        """Data that comes with a plugin has one; a user's own files are theirs."""
        self._require_licence(self.spec.licence, "the data")

    def test_its_input_kind_is_installed(self) -> None:
        """The kind reads its payloads; where only the opened data says what they are, opening it tells."""
        if self.spec.medium is not None:
            self._input_spec()

    def test_the_kinds_of_its_targets_are_installed(self) -> None:
        """Those that the spec names: a task for others is refused before the data is opened."""
        known = {name for spec in self.registry.specs("targets") for name in (spec.name, spec.short_name)}
        odd = [name for name in self.spec.targets if name not in known]
        self._require_none(odd, "targets names {odd}, no installed kind", "Name those that `headstart targets` lists.")

    def _targets(self) -> Iterator[tuple[str, str]]:
        """Where the data is made first, the target that makes it too."""
        yield from super()._targets()
        if self.spec.make is not None:
            yield "make", self.spec.make


@dataclass(frozen=True)
class Opened:
    """What opening gave, and the files it left in its working directory, which was empty."""

    records: Records
    left: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """What is opened: the reference, and the files of the sample as they were before anybody opened them."""

    reference: str | None
    files: Mapping[str, str]


class DatasetOpened(WithInputKind):
    """Opens the sample of `reference`, or the dataset itself; needs no backend. A dataset that opens a path writes a
    sample in `reference`, and one whose data has to be made writes one there or gives a `source` to make it from."""

    _kind = "datasets"
    code: ClassVar[str] = ""
    """The code whose data is made, where the dataset has codes."""

    def reference(self, folder: Path) -> str | Path | None:
        """What to open: None, or the path of a small sample that this writes below `folder`, which is empty; for a
        dataset that has to be made, the folder of what was made.

        A few samples of two classes or more are enough. Must write the same ones each time.
        """
        return None

    def source(self, folder: Path) -> Path | None:
        """A small file that its data can be made from, written below `folder`, which is empty, as `headstart datasets
        make NAME --from FILE` takes it; None where making it is not tried."""
        return None

    def missing(self) -> str | None:
        """Why the dataset cannot be opened on this machine, such as "needs the package X"; None where it can."""
        return None

    def test_its_records_are_sound(self) -> None:
        """Keys, payloads, labels, groups and splits are of the types that `headstart.specs.Record` names."""
        records = self._opened().records
        self._require_sound(
            "", next(_record_problems(records), None), "Correct the records that the build target gives."
        )
        self._require(
            self.spec.medium in (None, records.medium),
            f"the medium of its records is {records.medium!r}, its spec says {self.spec.medium!r}",
            "Name the same in both.",
        )

    def test_its_targets_are_of_the_kinds_that_it_states(self) -> None:
        """Where its spec names kinds, the records name one of them."""
        stated, named = kinds_of(self.spec, self.registry), self._records().targets
        if not self.spec.targets:
            return
        found = None if named is None else self.registry.get("targets", named)
        self._require(
            found in stated,
            f"the targets of its records are {named!r}, its spec says {' or '.join(map(repr, self.spec.targets))}",
            "Name the same in both; leave `DatasetSpec.targets` out where only the opened data says.",
        )

    def test_its_targets_can_be_learned(self) -> None:
        """The kind of its targets finds no error in them: one class teaches nothing, look-alikes are told apart by
        nobody."""
        for problem in errors_among(self._target_kind().check(self._labelled())):
            self._fail(problem.message, problem.hint or "Correct the targets, or give the sample more of them.")

    def test_its_payloads_can_be_read(self) -> None:
        """The input kind reads the first 50 and one of every stratum, and prepares them to its tensors."""
        change = "Give payloads that an input kind of this medium reads, or leave them out."
        kind = self._input_kind()
        for item in self._chosen():
            self._require_sound(f"{item.key}: ", _reading_problem(item, kind), change)

    def test_opened_twice_it_gives_the_same_records_in_the_same_order(self) -> None:
        """In this process, and in one where sets and dicts of texts have another order."""
        records, again = self._records(), self._open().records
        self._require_sound("opened twice it gives ", _first_difference(records, again), ORDER)
        request = {"offer": self._named(), "reference": self._sample().reference}
        fresh = run_fresh(_open_again, request, environment={"PYTHONHASHSEED": "4711"})
        self._require(
            fresh.reply is not None,
            f"opening it in another process fails: {fresh.error}",
            "It must depend on nothing but its path.",
        )
        self._require(fresh.reply == _summary(records), "another process finds other records, or another order", ORDER)

    def test_made_twice_it_is_the_same_data(self) -> None:
        """From the same file the same files, to the bit; it writes into the folder that it is given, and nowhere
        else."""
        if self.spec.make is None:
            return
        self._sample()
        with own_place() as place:
            first, second = (_contents(self._made_below(place / name)) for name in ("first", "second"))
            left = [path.name for path in place.iterdir() if path.name not in ("first", "second")]
        odd = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
        self._require_none(odd, "made twice from the same file it differs in {odd}", ORDER)
        self._require_none(left, "making it writes into the working directory: {odd}", "Write into `request.folder`.")

    def test_its_tolerances_are_what_its_options_say(self) -> None:
        """Where its options are Tolerances, what a user sets reaches the core; else its records have none."""
        options: Any = self._chosen_options()
        found, expected = self._records().tolerances, None
        if isinstance(options, Tolerances):
            expected = replace(options, unreadable=0.5, rare="train", copies="drop")
            with self._raising("opening it with all its tolerances ", "Correct the build target."):
                found = self._call(self._sample().reference, expected).records.tolerances
        said, heard = ([getattr(each, name, None) for name in TOLERANCES] for each in (expected, found))
        self._require(
            said == heard,
            f"`tolerances` is {found!r}; it was opened with {expected or options!r}",
            "Write `tolerances=request.options` where its options inherit from Tolerances, and leave it out elsewhere.",
        )

    def test_its_own_splits_are_disjoint(self) -> None:
        """Where it fixes train, val or test: no content and no group is on two sides."""
        self._require_none(
            (problem.message for problem in self._shared_by_its_splits()),
            "{odd}",
            "Take the repeated ones out of one side.",
        )

    def test_headstart_can_split_it(self) -> None:
        """Into sides that are disjoint and cover every labelled record."""
        self._skip_where(
            self._shared_by_its_splits(),
            f"the splits that {self.name} fixes share records, see the test of its own splits",
        )
        targets, change = self._target_kind(), "A class needs at least three samples."
        items = _thinned(self._labelled(), targets)
        rows = _rows(items)
        with self._explaining("it cannot be split: ", change):
            split = make_split(rows, 0, targets, {item.key: item.target for item in items})
        covered = sorted(row.key for row in split.rows if row.split in SPLITS)
        self._require(
            covered == sorted(row.key for row in rows),
            "the sides of its split do not cover every record exactly once",
            change,
        )
        self._require_none(
            (problem.message for problem in given_split_findings(split.rows)), "it cannot be split: {odd}", change
        )

    def test_a_reference_that_leads_nowhere_is_refused(self) -> None:
        """UsageError, before any data is read: the user mistyped a path, or gave one where none is taken."""
        self._sample()
        with own_place() as place:
            absent = str(place / "not-there")
            what = f"the absent path {absent}"
            change = f"Raise headstart.errors.UsageError that names {absent!r} and says what to write instead."
            with self._refused(what, change, by=UsageError, naming=""):
                self._call(absent)
                self._fail(f"{what} is accepted", change)

    def test_opening_it_changes_nothing_on_disk(self) -> None:
        """Not in the data, and not in the working directory. Users' files are theirs."""
        self._records()
        self._require_none(self._opened().left, "opening it writes into the working directory: {odd}", WRITES)
        for item in self._chosen():
            _reading_problem(item, self._input_kind())
        odd = _changes(self._sample().files, _tree_of(self._folder("data")))
        self._require_none(odd, "opening it changes the data: {odd}", WRITES)

    def _kind_spec(self) -> InputSpec:
        """The kind that reads what the sample turned out to hold, where the spec leaves that open."""
        return self.registry.input_kind(medium=self.spec.medium or self._opened().records.medium)

    @shared
    def _sample(self) -> Sample:
        """The sample, written once a class."""
        self._skip_without_requirements()
        if reason := self.missing():
            raise SkipTest(f"{self.name}: {reason}")
        place = self._folder("data")
        found = self.reference(place)
        if found is None and self.spec.make is not None:
            found = self._made_below(place)
        self._require(
            found is not None or not self.spec.takes_path,
            "it opens a path, and there is none to open",
            f"Write `reference(self, folder)` in {self._title}: it makes a small sample and returns its path.",
        )
        return Sample(None if found is None else os.fspath(found), _tree_of(place))

    def _records(self) -> Records:
        """The records of the sample. Skips where they are not sound: one test is about that."""
        records = self._opened().records
        self._skip_where(
            any(_record_problems(records)), f"the records of {self.name} are not sound, see the test of that name"
        )
        return records

    @shared
    def _target_kind(self) -> TargetKind:
        """The kind that the records name, or the one that recognises their targets."""
        with self._explaining("the kind of its targets is not known: ", "Name an installed one in `Records.targets`."):
            return build_target_kind(self.registry, find_targets(self._records(), self.registry).spec.name)

    @shared
    def _opened(self) -> Opened:
        """The sample, opened once a class."""
        return self._open()

    def _open(self) -> Opened:
        reference = self._sample().reference
        with self._raising(f"opening {reference or 'it'}", "Correct the build target."):
            return self._call(reference)

    def _call(self, reference: str | None, options: Any = None) -> Opened:
        """Call the build target in an empty working directory, with the chosen options or these; what it raises comes
        out."""
        target = self._load(self.spec.build)
        made = made_folder(self.spec, reference)
        request = DatasetRequest(reference, options or self._chosen_options(), made=made)
        with own_place() as place:
            records = target(request)
            left = tuple(_tree_of(place))
        self._require(
            isinstance(records, Records),
            f"its build target returned {type(records).__name__}",
            "Return headstart.specs.Records.",
        )
        return Opened(records, left)

    def _made_below(self, folder: Path) -> Path:
        """What is made of `source`, in a new folder below `folder`. Skips where there is no source."""
        place = folder / "from"
        place.mkdir(parents=True)
        source = self.source(place)
        if source is None:
            raise SkipTest(f"{self.name}: no file to make it from: write `source(self, folder)` in {self._title}")
        target = folder / "made"
        with self._raising("making it", "Correct the make target."):
            make_dataset(self.spec, self.registry, code=self.code, out=target, source=source)
        return target

    def _labelled(self) -> list[Record]:
        return [item for item in self._records().items if item.target is not None]

    def _chosen(self) -> list[Record]:
        """The first 50 records, and the first of every stratum."""
        labelled = self._labelled()
        strata = self._target_kind().strata([item.target for item in labelled])
        firsts = {name: item for item, names in reversed(list(zip(labelled, strata, strict=True))) for name in names}
        return list({item.key: item for item in (*self._records().items[:FIRST], *firsts.values())}.values())

    def _shared_by_its_splits(self) -> list[Finding]:
        """Equal content, or one group, on two sides that the dataset fixes."""
        return given_split_findings([row for row in _rows(self._records().items) if row.split])


class DatasetContract(DatasetDeclared, DatasetOpened):
    """All that a dataset must do. Set `name`, and write a `reference` where it opens a path."""


def _record_problems(records: Records) -> Iterator[str]:
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
    import numpy as np

    if not isinstance(item.key, str) or not item.key.strip():
        yield f"the key {item.key!r} of a record is not a text with something in it"
    if not isinstance(item.payload, Path | bytes | Stored | str | np.ndarray | tuple | Mapping):
        yield (
            f"{item.key}: the payload is {type(item.payload).__name__}; "
            "expected Path, bytes, Stored, str or a numpy array, or a tuple or mapping of these"
        )
    if item.target is not None and not isinstance(item.target, Path | str | np.ndarray | tuple | Mapping):
        yield (f"{item.key}: target is {item.target!r}; expected a text, Path, numpy array, tuple or mapping, or None")
    if item.group is not None and (not isinstance(item.group, str) or not item.group.strip()):
        yield f"{item.key}: group is {item.group!r}; expected a text with something in it, or None"
    if item.split not in (None, *SPLITS):
        yield f"{item.key}: split is {item.split!r}; expected {', '.join(SPLITS)} or None"


def _reading_problem(item: Record, kind: InputKind) -> str | None:
    """Why the kind does not read this payload and prepare it to its declared tensors; None where it does."""
    from headstart.data.payloads import in_memory
    from headstart.data.reading import prepared_of

    try:
        rows = prepared_of(kind, kind.read(in_memory(item.payload), item.key), item.key)
    except Exception as exc:
        return f"the input kind cannot read it: {type(exc).__name__}: {exc}"
    expected = {name: (spec.shape, spec.dtype) for name, spec in kind.tensors.items()}
    for row in rows:
        found = {name: (array.shape, array.dtype.name) for name, array in row.tensors.items()}
        if found != expected:
            return f"prepared to {found}; the kind declares {expected}"
    return None


def _first_difference(one: Records, other: Records) -> str | None:
    """Where two openings differ; None where they are equal, payloads to the bit."""
    if len(one.items) != len(other.items):
        return f"{len(one.items)} records and then {len(other.items)}"
    for number, (first, second) in enumerate(zip(one.items, other.items, strict=True)):
        if _described(first) != _described(second):
            return f"record {number} is {first.key!r} and then {second.key!r}, or differs in another field"
    if (one.medium, one.symmetries, one.skipped) != (other.medium, other.symmetries, other.skipped):
        return "medium, symmetries or skipped differ"
    return None


def _described(item: Record) -> list[str]:
    """A record as plain values that compare; payloads of files by their path, others by their content."""
    from headstart.data.hashing import content_hash, written_target

    payload = str(item.payload) if isinstance(item.payload, Path) else content_hash(item.payload, item.key)
    target = "None" if item.target is None else written_target(item.target, item.key)
    return [item.key, payload, target, str(item.group), str(item.split)]


def _thinned(items: Sequence[Record], targets: TargetKind) -> list[Record]:
    """Every n-th record, so that splitting stays quick; every stratum keeps some where the data is not sorted oddly."""
    by_stratum: dict[str, list[Record]] = {}
    for item, name in zip(items, rarest(targets.strata([item.target for item in items])), strict=True):
        by_stratum.setdefault(name, []).append(item)
    step = max(1, len(items) // LARGEST_SPLIT)
    return [item for same in by_stratum.values() for item in (same[::step] if len(same) >= 10 * step else same)]


def _rows(items: Sequence[Record]) -> list[SplitRow]:
    from headstart.data.hashing import content_hash, written_target

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


def _summary(records: Records) -> dict[str, Any]:
    """What another process must find too: every record, in order."""
    return {"records": [_described(item) for item in records.items], "medium": records.medium}


def _open_again(request: Mapping[str, Any]) -> dict[str, Any]:
    """In a fresh process: what its records are there."""
    return _summary(DatasetOpened._again(request["offer"])._call(request["reference"]).records)


def _tree_of(root: Path) -> dict[str, str]:
    """{path below `root`: digest of content, mode and time of change} of every file, links included."""
    return {
        path.relative_to(root).as_posix(): _fingerprint(path)
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def _contents(folder: Path) -> dict[str, bytes]:
    """{path below `folder`: content} of every file."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The paths that are new, gone or altered, each with which of these."""
    found = [f"{path} (new)" for path in after if path not in before]
    found += [f"{path} (gone)" for path in before if path not in after]
    found += [f"{path} (altered)" for path in after if before.get(path, after[path]) != after[path]]
    return sorted(found)


def _fingerprint(path: Path) -> str:
    state = path.lstat()
    content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
    return f"{hashlib.sha256(content).hexdigest()} {state.st_mode} {state.st_mtime_ns}"
