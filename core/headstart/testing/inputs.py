"""The contract of input kinds, in levels: declared, prepared without a backend, staged on one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from unittest import SkipTest

from headstart.backend import activate, choose_backend
from headstart.errors import DataError, PluginError, UsageError
from headstart.specs import (
    Change,
    DrawsSheets,
    HasAssets,
    InputKind,
    InputRequest,
    JudgesChanges,
    Mix,
    MixesSamples,
    Prepared,
    PreparesSeveral,
    Preview,
    Sample,
    Shown,
    Trims,
)
from headstart.testing.contract import Contract, shared, told
from headstart.testing.declared import Declared
from headstart.testing.values import is_same, plain_problem, tensors_problem

if TYPE_CHECKING:
    import numpy as np

UNKNOWN = "no-such-change"
MOST_FACTS = 65_536
"""Bytes of JSON that the facts of a row may take."""
PURE = "It may depend on the payload, the preprocessing and the options alone."
SHARES = (0.0, 0.3, 1.0)


class InputKindDeclared(Declared):
    """The spec of an input kind is complete."""

    _kind = "inputs"

    def test_each_change_is_explained(self) -> None:
        """Authors of augmentations read in `headstart inputs NAME` what a change does, and what its value is."""
        odd = [name for name, sentence in self.spec.changes.items() if not (name.strip() and sentence.strip())]
        self._require(not odd, f"changes has no sentence for {odd}", "Say what it does, and its value.")

    def test_its_readers_are_names_of_packages(self) -> None:
        """Their versions are kept beside what was read."""
        odd = [name for name in self.spec.readers if not name.replace("-", "").replace("_", "").isalnum()]
        self._require(not odd, f"readers names {odd}", 'Name distributions, such as ("pillow",).')


class InputKindSubject(Contract):
    """Base of the levels that build it.

    `preprocess` are the plain values that it is built from, those of a backbone of its tensors where None; `size` is
    for its option of that name; `changes` has an example of each change in its vocabulary; `unreadable` are payloads
    that must be refused.
    """

    preprocess: Mapping[str, Any] | None = None
    size: int | None = 32
    changes: Sequence[Change] = ()
    unreadable: Sequence[Any] = (Path("no-such-file"), {"no": "such thing"})

    _kind = "inputs"

    def payloads(self, folder: Path) -> Sequence[Any]:
        """Payloads that it reads, two different ones at least; files are written below `folder`, which is empty."""
        return ()

    def assets(self, folder: Path) -> Mapping[str, Path]:
        """The files that it is built from, by name, such as a small vocabulary; written into `folder`."""
        return {}

    def _input_kind(self) -> InputKind:
        return self._once("kind", lambda: self._build(self._assets()))

    def _build(self, assets: Mapping[str, Path]) -> InputKind:
        build = self._load(self.spec.build)
        made = (spec.preprocess for spec in self.registry.specs("backbones") if spec.takes == self.spec.produces)
        preprocess = next(made, {}) if self.preprocess is None else self.preprocess
        sized = self.size is not None and "size" in {field.name for field in fields(self.spec.options)}
        options = self._chosen_options({**({"size": self.size} if sized else {}), **self.options})
        try:
            return cast("InputKind", build(InputRequest(preprocess, options, assets)))
        except Exception as exc:  # of the author's code
            self._fail(
                f"building it from {dict(preprocess)} raises {told(exc)}",
                f"Correct the build target, or set `preprocess`, `options` or `assets` in {type(self).__name__}.",
            )

    def _folder(self, name: str) -> Path:
        folder = self._place() / name
        folder.mkdir(exist_ok=True)
        return folder

    def _assets(self) -> Mapping[str, Path]:
        return self._once("assets", lambda: self.assets(self._folder("assets")))

    def _payloads(self) -> Sequence[Any]:
        found = self._once("payloads", lambda: tuple(self.payloads(self._folder("payloads"))))
        self._require(
            len(found) >= 2,
            f"there are {len(found)} payloads to test with",
            f"Write `payloads(self, folder)` in {type(self).__name__}: it returns some that the kind reads.",
        )
        return found

    def _read(self, kind: InputKind, payload: Any) -> Sample:
        try:
            sample = kind.read(payload, "record 17")
        except Exception as exc:  # of the author's code
            self._fail(f"reading {payload!r} raises {told(exc)}"[:300], "Correct `read`, or `payloads` here.")
        self._require(isinstance(sample, Sample), f"read gives {type(sample).__name__}", "Return a Sample.")
        return sample

    def _samples(self) -> list[Sample]:
        return self._once("samples", lambda: [self._read(self._input_kind(), each) for each in self._payloads()])

    def _rows_of(self, kind: InputKind, sample: Sample) -> list[Prepared]:
        """What `prepare` gives, then what `prepare_several` does."""
        try:
            rows = [kind.prepare(sample), *(kind.prepare_several(sample) if isinstance(kind, PreparesSeveral) else ())]
        except Exception as exc:  # of the author's code
            self._fail(f"preparing a sample raises {told(exc)}", "It must take whatever `read` gives.")
        odd = [type(row).__name__ for row in rows if not isinstance(row, Prepared)]
        self._require(not odd, f"prepare gives {odd[:1]}", "Return headstart.specs.Prepared.")
        return rows

    def _rows(self) -> list[Prepared]:
        """All prepared rows, copied. Skips where their form is wrong: one test is about that."""
        rows = self._prepared()
        if any(tensors_problem(row.tensors, self._input_kind().tensors) for row in rows):
            raise SkipTest(f"what {self.name} prepares is not what it declares, see the test of that")
        return [replace(row, tensors={name: array.copy() for name, array in row.tensors.items()}) for row in rows]

    @shared
    def _prepared(self) -> list[Prepared]:
        return [row for sample in self._samples() for row in self._rows_of(self._input_kind(), sample)]


class InputKindPrepared(InputKindSubject):
    """Reads, prepares and varies the samples of `payloads`; needs no backend."""

    def test_what_it_prepares_is_what_it_declares(self) -> None:
        """Names, shapes and dtypes of `tensors`, finite; `length` within the length axis; at least one row a record."""
        kind = self._input_kind()
        for row in self._prepared():
            problem = tensors_problem(row.tensors, kind.tensors)
            self._require(problem is None, f"prepared, {problem}", "Correct `prepare`, or `tensors`.")
            sizes = [spec.shape[spec.length_axis] for spec in kind.tensors.values() if spec.length_axis is not None]
            sound = row.length is None or (bool(sizes) and 0 < row.length <= min(sizes))
            self._require(
                sound,
                f"length is {row.length} of the length axes {sizes}",
                "Say how much of the axes is used, or None.",
            )
        several = [kind.prepare_several(each) for each in self._samples() if isinstance(kind, PreparesSeveral)]
        self._require(all(len(each) for each in several), "prepare_several gives no row", "Give one at least.")

    def test_facts_are_small_plain_values(self) -> None:
        """They are kept as JSON, and evaluators and answers get what was read again."""
        for row in self._prepared():
            problem = plain_problem(dict(row.facts), MOST_FACTS)
            self._require(problem is None, f"its facts are {problem}", "Keep numbers, texts and lists of them.")

    def test_the_same_payload_gives_the_same_rows(self) -> None:
        """Read and prepared again, and by another build; in training and prediction alike."""
        first = [(row.tensors, row.facts, row.length) for row in self._prepared()]
        for kind, what in ((self._input_kind(), "again"), (self._build(self._assets()), "by another build")):
            rows = [row for each in self._payloads() for row in self._rows_of(kind, self._read(kind, each))]
            same = is_same(first, [(row.tensors, row.facts, row.length) for row in rows])
            self._require(same, f"prepared {what}, a payload gives other rows", PURE)

    def test_an_unreadable_payload_is_refused_by_the_name_of_the_record(self) -> None:
        """DataError, whose message has `where` in it: the record is then left out and listed."""
        for payload in self.unreadable:
            change = (
                f"Raise DataError that names `where`; if it can be read, set `unreadable` in {type(self).__name__}."
            )
            try:
                self._input_kind().read(payload, "record 17")
            except DataError as exc:
                self._require("record 17" in str(exc), f"refusing {payload!r}, it says only {str(exc)!r}", change)
            except Exception as exc:  # of the author's code
                self._fail(f"reading {payload!r} raises {told(exc)}", change)
            else:
                self._fail(f"it reads {payload!r}", change)

    def test_its_lengths_are_a_few_and_end_with_the_stored_one(self) -> None:
        """Where it is a Trims: ascending, each batch is cut to one of them."""
        kind = self._input_kind()
        if not isinstance(kind, Trims):
            return
        sizes = [spec.shape[spec.length_axis] for spec in kind.tensors.values() if spec.length_axis is not None]
        lengths = tuple(kind.lengths)
        self._require(
            bool(sizes) and lengths == tuple(sorted(set(lengths))) and lengths[0] > 0 and lengths[-1] == max(sizes),
            f"lengths are {lengths}, the length axes are {sizes} long",
            "List a few lengths, ascending, the stored one last, and set `length_axis` in the TensorSpecs.",
        )

    def test_each_change_keeps_names_shapes_and_dtypes(self) -> None:
        """Every change of its vocabulary, `changes` having an example of each; without any, nothing changes."""
        kind, row = self._input_kind(), self._rows()[0]
        missing = sorted(self.spec.changes.keys() - {change.name for change in self.changes})
        self._require(not missing, f"there is no example of the changes {missing}", "Put one into `changes` here.")
        before = dict(row.tensors)
        sample = {name: array.copy() for name, array in before.items()}
        self._require(
            is_same(before, dict(kind.transform(sample, ()))), "without changes, it changes samples", "Leave them."
        )
        for changes in (*((change,) for change in self.changes), tuple(self.changes)):
            try:
                varied = kind.transform(sample, changes)
            except Exception as exc:  # of the author's code
                self._fail(f"{changes} raises {told(exc)}", "Apply what `changes` of the spec names.")
            problem = tensors_problem(varied, kind.tensors)
            self._require(problem is None, f"varied by {changes}, {problem}", "Keep names, shapes and dtypes.")
            self._require(is_same(before, sample), f"{changes} alters the sample", "Make new arrays.")

    def test_an_unknown_change_is_refused_by_name(self) -> None:
        """PluginError: an augmentation must not be silently without effect."""
        kind, tensors = self._input_kind(), self._rows()[0].tensors
        for changes in ((Change(UNKNOWN),), (*self.changes, Change(UNKNOWN, 1.0))):
            change = "Raise headstart.errors.PluginError that names it."
            try:
                kind.transform(tensors, changes)
            except PluginError as exc:
                self._require(UNKNOWN in str(exc), f"refusing the change {UNKNOWN!r}, it says {str(exc)!r}", change)
            except Exception as exc:  # of the author's code
                self._fail(f"the change {UNKNOWN!r} raises {told(exc)}", change)
            else:
                self._fail(f"the unknown change {UNKNOWN!r} is applied", change)

    def test_it_finds_what_an_input_of_the_command_line_means(self) -> None:
        """A file is itself, a folder the files below it, sorted; a text is itself; an absent path is an error."""
        kind, payloads = self._input_kind(), self._payloads()
        files = sorted(each for each in payloads if isinstance(each, Path))
        texts = [each for each in payloads if isinstance(each, str)]
        raws: list[str | Path] = [*files, *texts]
        for each in raws:
            found = list(kind.find(each))
            self._require(found == [each], f"find({each!r}) is {found!r}"[:300], "It means this one payload.")
        if not files:
            return
        found = list(kind.find(self._folder("payloads")))
        self._require(found == files, f"find of their folder is {found!r}"[:300], "List the files below it, sorted.")
        absent = self._folder("payloads") / "not-there"
        try:
            found = list(kind.find(absent))
        except UsageError as exc:
            self._require(absent.name in str(exc), f"refusing {absent}, it says {str(exc)!r}", "Name the path.")
        except Exception as exc:  # of the author's code
            self._fail(f"find({str(absent)!r}) raises {told(exc)}", "Raise UsageError that names the path.")
        else:
            self._fail(f"find({str(absent)!r}) is {found!r}", "Raise UsageError that names the path.")

    def test_what_it_shows_of_a_sample_can_be_shown(self) -> None:
        """`fingerprint` is a whole number or None; `preview` a picture, a sound or a text that is no empty file."""
        kind, changes = self._input_kind(), tuple(self.changes)
        for sample in self._samples():
            fingerprint = kind.fingerprint(sample)
            sound = fingerprint is None or (isinstance(fingerprint, int) and fingerprint == kind.fingerprint(sample))
            self._require(sound, f"fingerprint gives {fingerprint!r}", "Return the same int each time, or None.")
            for shown in (kind.preview(sample), kind.preview(sample, changes)):
                problem = None if shown is None else _preview_problem(shown)
                self._require(problem is None, f"preview gives {problem}", "Return a Preview, or None.")
        hint = kind.hint
        self._require(isinstance(hint, str) and hint.strip(), f"hint is {hint!r}", "Say what users should look at.")

    def test_what_it_offers_beside_is_sound(self) -> None:
        """MixesSamples, JudgesChanges, DrawsSheets and HasAssets, where it has their methods."""
        kind, rows = self._input_kind(), self._rows()
        if isinstance(kind, MixesSamples):
            self._check_mixing(kind, rows[0].tensors, rows[-1].tensors)
        if isinstance(kind, JudgesChanges):
            judged = kind.symmetries(tuple(self.changes))
            sound = all(isinstance(each, str) for pair in judged.items() for each in pair)
            self._require(sound, f"symmetries gives {judged}", "Return what is done, by symmetry.")
            self._require(kind.only_moves(()) is True, "without changes, only_moves is not True", "Nothing is changed.")
        if isinstance(kind, DrawsSheets):
            shown = [Shown(rows[0].tensors, ("a",)), Shown(rows[-1].tensors, ("b",), notes=("a note",))]
            sheet = kind.sheet([shown, shown], ("as it is", "varied"))
            self._require(sheet.media_type == "image/png", f"its sheet is {sheet.media_type}", "Give image/png.")
        if isinstance(kind, HasAssets):
            given = kind.assets()
            odd = [name for name, path in given.items() if Path(name).name != name or not Path(path).is_file()]
            self._require(not odd, f"assets names {odd}", "Give an existing file for each name without folders.")
            anew = self._build(given)
            again = [row.tensors for each in self._samples() for row in self._rows_of(anew, each)]
            same = is_same([row.tensors for row in rows], again)
            self._require(same, "built from its own assets, it prepares otherwise", "Keep all that it needs in them.")

    def _check_mixing(
        self, kind: MixesSamples, own: Mapping[str, np.ndarray], partner: Mapping[str, np.ndarray]
    ) -> None:
        import numpy as np

        from headstart.testing.augmentations.findings import mixed_problem

        for share in SHARES:
            mix = Mix(0.5, share)
            exact, mixed = kind.own_share(mix), kind.mix(own, partner, mix)
            self._require(abs(exact - share) < 1e-6, f"own_share({mix}) is {exact}", "Without a region it is `share`.")
            for name in own:
                problem = mixed_problem(own[name], partner[name], np.asarray(mixed[name]), share)
                self._require(problem is None, f"{name} of {mix} {problem}", "Correct `mix`.")
        try:
            kind.mix(own, partner, Mix(0.5, 0.5, region=UNKNOWN))
        except PluginError:
            return
        except Exception as exc:  # of the author's code
            self._fail(f"an unknown region raises {told(exc)}", "Raise PluginError.")
        self._fail("an unknown region is mixed", "Raise PluginError.")


class InputKindStaged(InputKindSubject):
    """Runs `stage` on KERAS_BACKEND or the first installed backend."""

    def test_its_stage_takes_its_tensors_and_stays_in_range(self) -> None:
        """The model's inputs are `tensors`; what it gives lies within `output_ranges`, which name its outputs."""
        try:
            activate(choose_backend(None))
        except UsageError as exc:
            raise SkipTest(f"{exc}: {exc.hint}") from exc
        kind, rows = self._input_kind(), self._rows()
        import numpy as np

        from headstart.testing.backbones.network import preprocessed

        model = kind.stage()
        self._require(
            isinstance(model.input, dict) and model.input.keys() == kind.tensors.keys(),
            f"the stage takes {sorted(model.input) if isinstance(model.input, dict) else model.input}",
            f"Make a Functional model from a dict of {sorted(kind.tensors)}.",
        )
        odd = sorted(kind.output_ranges.keys() - model.output.keys())
        self._require(not odd, f"output_ranges names {odd}, which the stage does not give", "Name its outputs.")
        batch = {name: np.stack([row.tensors[name] for row in rows]) for name in kind.tensors}
        outputs = preprocessed(kind, batch)
        for name, (low, high) in kind.output_ranges.items():
            least, most = float(outputs[name].min()), float(outputs[name].max())
            slack = 1e-4 * max(1.0, abs(low), abs(high))
            self._require(
                low - slack <= least and most <= high + slack,
                f"{name} has values from {least:g} to {most:g}, output_ranges says {low:g} to {high:g}",
                "Correct the stage, or the range.",
            )


class InputKindContract(InputKindDeclared, InputKindPrepared, InputKindStaged):
    """All that an input kind must do. Set `name`, write `payloads`, and give an example of each change."""


def _preview_problem(shown: Any) -> str | None:
    if not isinstance(shown, Preview):
        return type(shown).__name__
    kind = shown.media_type
    if not (kind.startswith("image/") or kind in ("audio/wav", "text/plain")) or not shown.data:
        return f"{len(shown.data)} bytes of {kind!r}"
    if kind == "text/plain":
        try:
            shown.data.decode("utf-8")
        except UnicodeDecodeError:
            return "a text that is no UTF-8"
    return None
