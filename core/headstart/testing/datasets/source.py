"""A dataset as the contract opens it: from a small sample that its author writes, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import SkipTest

from headstart.errors import HeadstartError, UsageError
from headstart.specs import DatasetRequest, Records, TargetKind
from headstart.testing.contract import told
from headstart.testing.trees import own_place, tree_of
from headstart.testing.with_kind import WithInputKind


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


class DatasetSource(WithInputKind):
    """Base of level B. A dataset that opens a path writes a sample in `reference`."""

    _kind = "datasets"
    _place: tempfile.TemporaryDirectory[str] | None = None

    def reference(self, folder: Path) -> str | Path | None:
        """What to open: None, or the path of a small sample that this writes below `folder`, which is empty.

        A few samples of two classes or more are enough. Must write the same ones each time.
        """
        return None

    def missing(self) -> str | None:
        """Why the dataset cannot be opened on this machine, such as "needs the package X"; None where it can."""
        return None

    @classmethod
    def teardown_class(cls) -> None:
        """Remove the sample."""
        super().teardown_class()
        if cls._place is not None:
            cls._place.cleanup()
            cls._place = None

    def _sample(self) -> Sample:
        """The sample, written once a class."""
        return self._once("sample", self._write_sample)

    def _write_sample(self) -> Sample:
        self._skip_without_requirements()
        if reason := self.missing():
            raise SkipTest(f"{self.name}: {reason}")
        type(self)._place = tempfile.TemporaryDirectory(prefix="headstart-")
        found = self.reference(self._folder())
        self._require(
            found is not None or not self.spec.takes_path,
            "it opens a path, and there is none to open",
            f"Write `reference(self, folder)` in {type(self).__name__}: it makes a small sample and returns its path.",
        )
        return Sample(None if found is None else os.fspath(found), tree_of(self._folder()))

    def _folder(self) -> Path:
        place = type(self)._place
        return Path(place.name).resolve() if place is not None else Path()

    def _records(self) -> Records:
        """The records of the sample. Skips where they are not sound: one test is about that."""
        records = self._opened().records
        from headstart.testing.datasets.findings import record_problems

        if any(record_problems(records)):
            raise SkipTest(f"the records of {self.name} are not sound, see the test of that name")
        return records

    def _target_kind(self) -> TargetKind:
        """The kind that the records name, or the one that recognises their targets."""
        return self._once("targets", self._find_targets)

    def _find_targets(self) -> TargetKind:
        from headstart.data.targets import build_target_kind, find_targets

        try:
            return build_target_kind(self.registry, find_targets(self._records(), self.registry).spec.name)
        except HeadstartError as exc:
            self._fail(f"the kind of its targets is not known: {exc}", "Name an installed one in `Records.targets`.")

    def _opened(self) -> Opened:
        """The sample, opened once a class."""
        return self._once("opened", self._open)

    def _open(self) -> Opened:
        reference = self._sample().reference
        try:
            return self._call(reference)
        except AssertionError:
            raise
        except Exception as exc:  # of the author's code
            self._fail(f"opening {reference or 'it'} raises {told(exc)}", "Correct the build target.")

    def _call(self, reference: str | None) -> Opened:
        """Call the build target in an empty working directory; what it raises comes out."""
        target = self._load(self.spec.build)
        request = DatasetRequest(reference, self._chosen_options())
        with own_place() as place:
            records = target(request)
            left = tuple(tree_of(place))
        self._require(
            isinstance(records, Records),
            f"its build target returned {type(records).__name__}",
            "Return headstart.specs.Records.",
        )
        return Opened(records, left)

    @contextlib.contextmanager
    def _refused(self, what: str, change: str) -> Iterator[None]:
        """What runs inside must raise UsageError."""
        try:
            yield
        except UsageError:
            return
        except AssertionError:
            raise
        except Exception as exc:  # of the author's code
            self._fail(f"{what} raises {told(exc)}", change)
        self._fail(f"{what} is accepted", change)
