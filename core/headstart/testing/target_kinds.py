"""The contract of target kinds, in two levels: declared, read. Neither needs a backend."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast
from unittest import SkipTest

from headstart.errors import DataError
from headstart.host.guard import describe
from headstart.specs import (
    AdvisesOnFew,
    Change,
    Facts,
    Finding,
    GivesExamples,
    HasScale,
    Recognised,
    Record,
    Records,
    TargetKind,
    TargetRequest,
    TaskRequest,
)
from headstart.testing.contract import Contract, shared, told
from headstart.testing.declared import Declared
from headstart.testing.fresh_process import run_fresh
from headstart.testing.values import is_same

if TYPE_CHECKING:
    import numpy as np

EXAMPLES = 12
MOST_LETTERS = 200
"""Of a few words."""
RUBBISH: tuple[Any, ...] = (Path("no-such-file"), {"no": "such thing"})
PURE = "It may depend on the target alone."


class TargetKindDeclared(Declared):
    """The spec of a kind of targets is complete."""

    _kind = "targets"

    def test_what_it_means_is_said_in_words(self) -> None:
        """Messages put `means` into a sentence: "the data has one class a sample"."""
        self._require(self.spec.means.strip(), "means is empty", 'Say it in a few words, such as "one class".')

    def test_its_build_module_imports_no_framework(self) -> None:
        """Targets are checked and split before a backend is chosen; numpy is welcome."""
        request = {"plugin": self.plugin, "value": self._published().module, "target": self.spec.build}
        told = run_fresh("headstart.testing.importing", request)
        loaded = {} if told.reply is None else told.reply["loaded"]
        lines = "; ".join(f"{name} by {line}" for name, line in loaded.items() if name != "numpy")
        self._require(not lines, f"{self.spec.build} imports {lines}", "A kind of targets needs none of them.")


class TargetKindRead(Contract):
    """Reads, checks and splits by examples.

    `targets` gives sound ones; `rubbish` are targets that must be refused, `changes` some that a sample may undergo,
    and `facts` what an input kind knows of the sample of each example.
    """

    rubbish: Sequence[Any] = RUBBISH
    changes: Sequence[Change] = ()
    facts: Facts = MappingProxyType({})

    _kind = "targets"

    def targets(self, folder: Path) -> Sequence[Any]:
        """Sound targets, two different ones at least, as a dataset gives them. Files are written below `folder`, which
        is empty. Where the kind is a GivesExamples, its own are taken."""
        kind = self._target_kind()
        return kind.examples(EXAMPLES) if isinstance(kind, GivesExamples) else ()

    def encoded(self, values: Sequence[Any]) -> Mapping[str, np.ndarray] | None:
        """`values` as a task encodes them, (row, ...) by name; by the first installed task for this kind, or None."""
        for spec in self.registry.specs("tasks"):
            if spec.targets in (self.spec.name, self.spec.short_name):
                task = self.registry.load_target(spec, spec.build)(TaskRequest(spec.options(), targets=values))
                keys = [f"example {row}" for row in range(len(values))]
                return cast("Mapping[str, np.ndarray]", task.encode(values, [self.facts] * len(values), keys))
        return None

    def test_it_reads_its_targets_the_same_each_time(self) -> None:
        """`read` is a function of the target; a kind that is built again reads the same."""
        kind, targets, values = self._target_kind(), self._examples(), self._values()
        again = [self._read(kind, target, row) for row, target in enumerate(targets)]
        self._require(is_same(values, again), "read twice, a target gives two values", PURE)
        anew = [self._read(self._build_kind(), target, row) for row, target in enumerate(targets)]
        self._require(is_same(values, anew), "another build of it reads another value", PURE)

    def test_rubbish_is_refused_by_the_name_of_the_record(self) -> None:
        """DataError, whose message has `where` in it: users look for the one record among thousands."""
        kind = self._target_kind()
        for target in self.rubbish:
            change = f"Raise DataError that names `where`; if it is a sound target, set `rubbish` in {self._title()}."
            try:
                value = kind.read(target, "record 17")
            except DataError as exc:
                self._require("record 17" in str(exc), f"refusing {target!r}, it says only {str(exc)!r}", change)
            except Exception as exc:  # of the author's code
                self._fail(f"read({target!r}, 'record 17') raises {told(exc)}", change)
            else:
                self._fail(f"read({target!r}, 'record 17') gives {value!r}", change)

    def test_sound_targets_pass_its_check(self) -> None:
        """Findings may be there, errors not: with one `fit` would stop."""
        targets = self._examples()
        errors = [each for each in self._findings(targets) if each.level == "error"]
        self._require(not errors, f"check of sound targets gives {errors[:1]}", "Correct `check`, or `targets` here.")

    def test_its_check_tells_every_error_and_raises_none(self) -> None:
        """Of each target that `read` refuses there is an error, which names the record; `check` itself never raises."""
        targets = self._examples()
        self._findings(())
        for target in self.rubbish:
            found = [each for each in self._findings((*targets, target)) if each.level == "error"]
            self._require(found, f"check has no error for {target!r}", "Yield a Finding for what `read` refuses.")
            named = f"record {len(targets)}"
            self._require(
                any(named in each.message for each in found),
                f"of the errors for {target!r} none names its key, {named!r}: {found[0].message!r}",
                "Put the record's `key` into the message.",
            )

    def test_it_recognises_targets_without_raising(self) -> None:
        """None, or a reason and a confidence from 0 to 1, for its own targets and for any others."""
        for given in (self._examples(), self.rubbish, ("a text", "another"), ()):
            try:
                found = self._target_kind().recognise(Records("any", _records(given)))
            except Exception as exc:  # of the author's code
                self._fail(f"recognise raises {told(exc)} for targets such as {given[:1]!r}", "Return None for those.")
            sound = found is None or (
                isinstance(found, Recognised) and bool(found.reason.strip()) and 0 <= found.confidence <= 1
            )
            self._require(sound, f"recognise gives {found!r}", "Return None, or Recognised with a reason and 0 to 1.")

    def test_its_strata_are_texts_one_tuple_a_target(self) -> None:
        """Exactly one stratum each where it is `exclusive`: then each side of a split must hold some of every one."""
        kind, targets = self._target_kind(), self._examples()
        strata = kind.strata(targets)
        self._require(
            isinstance(strata, list) and len(strata) == len(targets) and all(map(_are_texts, strata)),
            f"strata of {len(targets)} targets are {strata!r}"[:300],
            "Return a list with one tuple of texts for each target, in their order.",
        )
        odd = [each for each in strata if len(each) != 1] if kind.exclusive else []
        self._require(not odd, f"it is `exclusive`, and a target has the strata {odd[:1]}", "Give exactly one each.")
        self._require(kind.strata(targets) == strata, "asked twice, strata differ", PURE)

    def test_what_training_must_have_too_lies_in_strata_of_its_own(self) -> None:
        """Targets of other `names` have other strata: else no split could see that train lacks one."""
        kind, targets = self._target_kind(), self._examples()
        names = [kind.names(target) for target in targets]
        odd = [each for each in names if not _are_texts(each)]
        self._require(not odd, f"names gives {odd[:1]}", "Return a tuple of texts, or ().")
        seen: dict[tuple[str, ...], tuple[str, ...]] = {}
        for own, stratum in zip(names, kind.strata(targets), strict=True):
            other = seen.setdefault(tuple(sorted(stratum)), own)
            self._require(
                set(other) == set(own),
                f"targets of the names {other} and {own} share the strata {stratum}",
                "Give a stratum to each name, or no names.",
            )

    def test_its_words_are_a_short_text(self) -> None:
        """Contact sheets, reports and predictions.csv show them."""
        for target in self._examples():
            words = self._target_kind().words(target)
            self._require(
                isinstance(words, str) and words.strip() and len(words) <= MOST_LETTERS,
                f"words({target!r}) is {words!r}"[:300],
                f"Return a text of at most {MOST_LETTERS} letters.",
            )

    def test_changes_keep_what_encoded_targets_are(self) -> None:
        """Without changes nothing is changed; with `changes` names, shapes and dtypes stay, and so does what was given.

        Skipped where no task for the kind is installed and the class has no `encoded`.
        """
        import numpy as np

        kind, rows = self._target_kind(), self._encoded_rows()
        for row in rows:
            before = {name: array.copy() for name, array in row.items()}
            for changes in ((), self.changes):
                try:
                    moved = dict(kind.transform(row, changes, self.facts))
                except Exception as exc:  # of the author's code
                    self._fail(
                        f"transform with the changes {changes} raises {told(exc)}",
                        f"It takes any changes of the sample; set `facts` in {self._title()} where it needs some.",
                    )
                forms = {name: (array.shape, array.dtype) for name, array in moved.items()}
                expected = {name: (array.shape, array.dtype) for name, array in before.items()}
                self._require(
                    forms == expected, f"transformed targets are {forms}, not {expected}", "Keep names and forms."
                )
                same = changes or all(np.array_equal(before[name], array) for name, array in moved.items())
                self._require(same, "without changes, transform changes targets", "Return them as they are.")
                self._require(is_same(before, dict(row)), "transform changes what it is given", "Make new arrays.")

    def test_what_it_offers_beside_is_sound(self) -> None:
        """AdvisesOnFew, HasScale and GivesExamples, where it has their methods."""
        kind, targets = self._target_kind(), self._examples()
        self._require(isinstance(kind.noun, str) and kind.noun.strip(), f"noun is {kind.noun!r}", "Name it: class.")
        if isinstance(kind, AdvisesOnFew):
            advice = kind.advice(targets)
            self._require(advice is None or isinstance(advice, str), f"advice is {advice!r}", "Return a text or None.")
        if isinstance(kind, HasScale):
            places = [kind.place(target) for target in targets]
            self._require(all(map(math.isfinite, places)), f"places are {places}", "Return finite numbers.")
        if isinstance(kind, GivesExamples):
            given, again = kind.examples(EXAMPLES), kind.examples(EXAMPLES)
            self._require(len(given) == EXAMPLES and is_same(list(given), list(again)), "examples differ", PURE)

    def _target_kind(self) -> TargetKind:
        return self._once("kind", self._build_kind)

    def _build_kind(self) -> TargetKind:
        target = self._load(self.spec.build)
        try:
            return cast("TargetKind", target(TargetRequest(self._chosen_options())))
        except Exception as exc:  # of the author's code
            self._fail(f"building it raises {told(exc)}", "Correct the build target.")

    @shared
    def _examples(self) -> Sequence[Any]:
        found = tuple(self.targets(self._place()))
        self._require(
            len(found) >= 2,
            f"there are {len(found)} targets to test with",
            f"Write `targets(self, folder)` in {self._title()}: it returns some sound ones.",
        )
        return found

    @shared
    def _values(self) -> list[Any]:
        return [self._read(self._target_kind(), target, row) for row, target in enumerate(self._examples())]

    def _read(self, kind: TargetKind, target: Any, row: int) -> Any:
        try:
            return kind.read(target, f"record {row}")
        except Exception as exc:  # of the author's code
            self._fail(f"read of the sound target {target!r} raises {told(exc)}", "Correct `read`, or `targets` here.")

    def _findings(self, targets: Sequence[Any]) -> list[Finding]:
        try:
            found = list(self._target_kind().check(_records(targets)))
        except Exception as exc:  # of the author's code
            self._fail(
                f"check of {len(targets)} records raises {describe(exc)}", "Yield a Finding for what is wrong instead."
            )
        odd = [each for each in found if not (isinstance(each, Finding) and each.message.strip())]
        self._require(not odd, f"check yields {odd[:1]}", "Yield Finding with a whole sentence.")
        return found

    def _encoded_rows(self) -> Iterator[Mapping[str, np.ndarray]]:
        with self._told_as_encoding():
            encoded = self.encoded(self._values())
        if encoded is None:
            raise SkipTest(f"no installed task learns {self.name}, and {self._title()} has no `encoded`")
        return ({name: array[row] for name, array in encoded.items()} for row in range(len(self._values())))

    @contextlib.contextmanager
    def _told_as_encoding(self) -> Iterator[None]:
        try:
            yield
        except AssertionError:
            raise
        except Exception as exc:  # of a task, or of the author's `encoded`
            self._fail(
                f"its values cannot be encoded: {told(exc)}",
                f"Set `facts`, or write `encoded(self, values)`, in {self._title()}.",
            )

    def _title(self) -> str:
        return type(self).__name__


class TargetKindContract(TargetKindDeclared, TargetKindRead):
    """All that a kind of targets must do. Set `name`, and write `targets` where it gives no examples."""


def _records(targets: Sequence[Any]) -> tuple[Record, ...]:
    return tuple(Record(f"record {row}", "", target) for row, target in enumerate(targets))


def _are_texts(each: Any) -> bool:
    return isinstance(each, tuple) and all(isinstance(name, str) for name in each)
