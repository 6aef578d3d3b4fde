"""The contract of target kinds, in two levels: declared, read. Neither needs a backend."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast
from unittest import SkipTest

from headstart.data.checks import errors_among
from headstart.data.targets import build_target_kind
from headstart.errors import DataError
from headstart.specs import (
    AdvisesOnFew,
    AllowsOthers,
    Change,
    Facts,
    Finding,
    FitsAhead,
    GivesExamples,
    HasScale,
    Recognised,
    Record,
    Records,
    TargetKind,
    TargetRequest,
    TaskRequest,
    TensorSpec,
    TrainingSplit,
)
from headstart.testing.contract import Contract, shared
from headstart.testing.declared import Declared, declare
from headstart.testing.fresh_process import run_fresh
from headstart.testing.values import is_same

if TYPE_CHECKING:
    import numpy as np

EXAMPLES = 12
SEED = 7
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
        fresh = run_fresh(declare, {"target": self.spec.build})
        loaded = {} if fresh.reply is None else fresh.reply["loaded"]
        self._require_none(
            (f"{name} by {line}" for name, line in loaded.items() if name != "numpy"),
            f"{self.spec.build} imports {{odd}}",
            "A kind of targets needs none of them.",
        )


class WithTargets(Contract):
    """Base of what is tried on targets; `facts` are what an input kind knows of the sample of each of them, `inputs`
    the tensors that it makes of one."""

    facts: Facts = MappingProxyType({})
    inputs: Mapping[str, TensorSpec] = MappingProxyType({})

    _fewest: ClassVar[int]

    def targets(self, folder: Path) -> Sequence[Any]:
        """Sound targets, two different ones at least, four of a task, as a dataset gives them. Files are written below
        `folder`, which is empty. Where the kind is a GivesExamples, its own are taken."""
        kind = self._target_kind()
        return kind.examples(EXAMPLES) if isinstance(kind, GivesExamples) else ()

    def _target_kind(self) -> TargetKind:
        """The kind whose targets the offer learns."""
        return build_target_kind(self.registry, self.spec.targets)

    @shared
    def _examples(self) -> Sequence[Any]:
        found = tuple(self.targets(self._place()))
        self._require(
            len(found) >= self._fewest,
            f"there are {len(found)} targets to test with",
            f"Write `targets(self, folder)` in {self._title}: it returns {self._fewest} sound ones or more.",
        )
        return found

    def _training(self, values: Sequence[Any], assets: Mapping[str, Path] | None = None) -> TrainingSplit:
        """`values` as the targets of a training split, with a folder of its own; nothing is known of their samples."""
        folder = Path(tempfile.mkdtemp(dir=self._place()))
        return TrainingSplit([None] * len(values), values, SEED, folder, lambda finding: None, assets or {})

    @shared
    def _values(self) -> list[Any]:
        return self._read_by(self._target_kind())

    def _read_by(self, kind: TargetKind) -> list[Any]:
        """What `kind` reads of the examples."""
        values = []
        for row, target in enumerate(self._examples()):
            with self._raising(f"read of the sound target {target!r}", "Correct `read`, or `targets` here."):
                values.append(kind.read(target, f"record {row}"))
        return values


class TargetKindRead(WithTargets):
    """Reads, checks and splits by examples.

    `targets` gives sound ones; `rubbish` are targets that must be refused, `changes` some that a sample may undergo.
    """

    rubbish: Sequence[Any] = RUBBISH
    changes: Sequence[Change] = ()

    _kind = "targets"
    _fewest = 2

    def encoded(self, values: Sequence[Any]) -> Mapping[str, np.ndarray] | None:
        """`values` as a task encodes them, (row, ...) by name; by the first installed task for this kind that needs no
        weights of its own, or None."""
        for spec in self.registry.specs("tasks"):
            if spec.targets in (self.spec.name, self.spec.short_name) and not spec.comes_trained:
                request = TaskRequest(spec.options(), targets=values, inputs=self.inputs)
                task = self.registry.load_target(spec, spec.build)(request)
                if isinstance(task, FitsAhead) and not task.is_fitted:
                    task = task.fitted_ahead(self._training(values))
                keys = [f"example {row}" for row in range(len(values))]
                return cast("Mapping[str, np.ndarray]", task.encode(values, [self.facts] * len(values), keys))
        return None

    def test_it_reads_its_targets_the_same_each_time(self) -> None:
        """`read` is a function of the target; a kind that is built again reads the same."""
        values = self._values()
        again = self._read_by(self._target_kind())
        self._require(is_same(values, again), "read twice, a target gives two values", PURE)
        anew = self._read_by(self._build_kind())
        self._require(is_same(values, anew), "another build of it reads another value", PURE)

    def test_rubbish_is_refused_by_the_name_of_the_record(self) -> None:
        """DataError, whose message has `where` in it: users look for the one record among thousands."""
        kind, where = self._target_kind(), "record 17"
        for target in self.rubbish:
            what = f"read({target!r}, {where!r})"
            change = f"Raise DataError that names `where`; if it is a sound target, set `rubbish` in {self._title}."
            with self._refused(what, change, by=DataError, naming=where):
                value = kind.read(target, where)
                self._fail(f"{what} gives {value!r}", change)

    def test_sound_targets_pass_its_check(self) -> None:
        """Findings may be there, errors not: with one `fit` would stop."""
        self._require_none(
            errors_among(self._findings(self._examples())),
            "check of sound targets gives {odd}",
            "Correct `check`, or `targets` here.",
        )

    def test_its_check_tells_every_error_and_raises_none(self) -> None:
        """Of each target that `read` refuses there is an error, which names the record; `check` itself never raises."""
        targets = self._examples()
        self._findings(())
        for target in self.rubbish:
            found = errors_among(self._findings((*targets, target)))
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
            with self._raising("recognise", f"Return None for those such as {given[:1]!r}."):
                found = self._target_kind().recognise(Records("any", _records(given)))
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

        kind, values = self._target_kind(), self._values()
        change = f"Set `facts`, or write `encoded(self, values)`, in {self._title}."
        with self._raising("encoding its values", change):
            encoded = self.encoded(values)
        if encoded is None:
            raise SkipTest(f"no installed task learns {self.name}, and {self._title} has no `encoded`")
        for row in range(len(values)):
            given = {name: array[row] for name, array in encoded.items()}
            before = {name: array.copy() for name, array in given.items()}
            for changes in ((), self.changes):
                change = f"It takes any changes of the sample; set `facts` in {self._title} where it needs some."
                with self._raising(f"transform with the changes {changes}", change):
                    moved = dict(kind.transform(given, changes, self.facts))
                forms = {name: (array.shape, array.dtype) for name, array in moved.items()}
                expected = {name: (array.shape, array.dtype) for name, array in before.items()}
                self._require(
                    forms == expected, f"transformed targets are {forms}, not {expected}", "Keep names and forms."
                )
                same = changes or all(np.array_equal(before[name], array) for name, array in moved.items())
                self._require(same, "without changes, transform changes targets", "Return them as they are.")
                self._require(is_same(before, given), "transform changes what it is given", "Make new arrays.")

    def test_what_it_offers_beside_is_sound(self) -> None:
        """AdvisesOnFew, HasScale, AllowsOthers and GivesExamples, where it has what they ask for."""
        kind, targets = self._target_kind(), self._examples()
        self._require(isinstance(kind.noun, str) and kind.noun.strip(), f"noun is {kind.noun!r}", "Name it: class.")
        if isinstance(kind, AdvisesOnFew):
            advice = kind.advice(targets)
            self._require(advice is None or isinstance(advice, str), f"advice is {advice!r}", "Return a text or None.")
        if isinstance(kind, HasScale):
            places = [kind.place(target) for target in targets]
            self._require(all(map(math.isfinite, places)), f"places are {places}", "Return finite numbers.")
        if isinstance(kind, AllowsOthers):
            others = kind.others_are_right
            self._require(isinstance(others, bool), f"others_are_right is {others!r}", "Make it True or False.")
        if isinstance(kind, GivesExamples):
            given, again = kind.examples(EXAMPLES), kind.examples(EXAMPLES)
            self._require(len(given) == EXAMPLES and is_same(list(given), list(again)), "examples differ", PURE)

    @shared
    def _target_kind(self) -> TargetKind:
        return self._build_kind()

    def _build_kind(self) -> TargetKind:
        return cast("TargetKind", self._made(TargetRequest(self._chosen_options())))

    def _findings(self, targets: Sequence[Any]) -> list[Finding]:
        with self._raising(f"check of {len(targets)} records", "Yield a Finding for what is wrong instead."):
            found = list(self._target_kind().check(_records(targets)))
        odd = [each for each in found if not (isinstance(each, Finding) and each.message.strip())]
        self._require(not odd, f"check yields {odd[:1]}", "Yield Finding with a whole sentence.")
        return found


class TargetKindContract(TargetKindDeclared, TargetKindRead):
    """All that a kind of targets must do. Set `name`, and write `targets` where it gives no examples."""


def _records(targets: Sequence[Any]) -> tuple[Record, ...]:
    return tuple(Record(f"record {row}", "", target) for row, target in enumerate(targets))


def _are_texts(each: Any) -> bool:
    return isinstance(each, tuple) and all(isinstance(name, str) for name in each)
