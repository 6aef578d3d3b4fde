"""The contract of input kinds, in levels: declared, prepared without a backend, staged on one."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from headstart.errors import DataError, PluginError, UsageError
from headstart.specs import (
    Change,
    CutsTiles,
    DrawsSheets,
    Finding,
    FitsAhead,
    HasAssets,
    InputKind,
    InputRequest,
    InputSpec,
    JudgesChanges,
    JudgesNotes,
    LacksChanges,
    Mix,
    MixesSamples,
    NamesSteps,
    Prepared,
    PreparesSeveral,
    Preview,
    ReadsForms,
    Sample,
    Shown,
    ShowsDetail,
    TrainingSplit,
    Trims,
)
from headstart.testing.contract import shared
from headstart.testing.declared import Declared
from headstart.testing.input_kinds import WithInputKind, sized
from headstart.testing.values import is_same, mixed_problem, odd_assets, plain_problem, tensors_problem

if TYPE_CHECKING:
    import numpy as np

UNKNOWN = "no-such-change"
MOST_FACTS = 65_536
"""Bytes of JSON that the facts of a row may take."""
PURE = "It may depend on the payload, the preprocessing and the options alone."
LARGEST_TILE = 1 << 20
SEED = 7
SHARES = (0.0, 0.3, 1.0)


class InputKindDeclared(Declared):
    """The spec of an input kind is complete."""

    _kind = "inputs"

    def test_each_change_is_explained(self) -> None:
        """Authors of augmentations read in `headstart inputs NAME` what a change does, and what its value is."""
        odd = (name for name, sentence in self.spec.changes.items() if not (name.strip() and sentence.strip()))
        self._require_none(odd, "changes has no sentence for {odd}", "Say what it does, and its value.")

    def test_its_readers_are_names_of_packages(self) -> None:
        """Their versions are kept beside what was read."""
        odd = (name for name in self.spec.readers if not name.replace("-", "").replace("_", "").isalnum())
        self._require_none(odd, "readers names {odd}", 'Name distributions, such as ("pillow",).')


class InputKindSubject(WithInputKind):
    """Base of the levels that build it.

    `changes` has an example of each change in its vocabulary; `unreadable` are payloads that must be refused.
    """

    changes: Sequence[Change] = ()
    unreadable: Sequence[Any] = (Path("no-such-file"), {"no": "such thing"})

    _kind = "inputs"

    def payloads(self, folder: Path) -> Sequence[Any]:
        """Payloads that it reads, two different ones at least; files are written below `folder`, which is empty."""
        return ()

    def _kind_spec(self) -> InputSpec:
        return cast("InputSpec", self.spec)

    @shared
    def _input_kind(self) -> InputKind:
        return self._complete(self._assets())

    def _complete(self, assets: Mapping[str, Path]) -> InputKind:
        """Built from `assets`, and fitted where that is still to be done."""
        kind = self._build(assets)
        if not isinstance(kind, FitsAhead) or kind.is_fitted:
            return kind
        return self._fitted(kind)

    def _fitted(self, kind: Any) -> InputKind:
        """As a run fits it to its training split: here to the `payloads`, into a folder of its own."""
        folder = Path(tempfile.mkdtemp(dir=self._place()))
        payloads = self._payloads()
        training = TrainingSplit(payloads, [None] * len(payloads), SEED, folder, lambda finding: None)
        with self._raising("fitting it to its payloads", "Correct `fitted_ahead`, or give more `payloads`."):
            return cast("InputKind", kind.fitted_ahead(training))

    def _build(self, assets: Mapping[str, Path], forms: tuple[str, ...] = ()) -> InputKind:
        preprocess = self._preprocess()
        options = self._chosen_options({**sized(self.spec, self.size), **self.options})
        change = f"Correct the build target, or set `preprocess`, `options` or `assets` in {self._title}."
        made = self._made(
            InputRequest(preprocess, options, assets, forms), f"building it from {dict(preprocess)}", change
        )
        return cast("InputKind", made)

    @shared
    def _payloads(self) -> Sequence[Any]:
        found = tuple(self.payloads(self._folder("payloads")))
        self._require(
            len(found) >= 2,
            f"there are {len(found)} payloads to test with",
            f"Write `payloads(self, folder)` in {self._title}: it returns some that the kind reads.",
        )
        return found

    @shared
    def _samples(self) -> list[Sample]:
        return self._read_by(self._input_kind())

    def _read_by(self, kind: InputKind) -> list[Sample]:
        samples = []
        for payload in self._payloads():
            with self._raising(f"reading {payload!r}"[:200], "Correct `read`, or `payloads` here."):
                samples.append(kind.read(payload, "record 17"))
        odd = [type(sample).__name__ for sample in samples if not isinstance(sample, Sample)]
        self._require_none(odd, "read gives {odd}", "Return a Sample.")
        return samples

    @shared
    def _prepared(self) -> list[Prepared]:
        return self._rows_by(self._input_kind(), self._samples())

    def _rows_by(self, kind: InputKind, samples: Sequence[Sample]) -> list[Prepared]:
        """Of each sample what `prepare` gives, then what `prepare_several` does."""
        rows = []
        for sample in samples:
            with self._raising("preparing a sample", "It must take whatever `read` gives."):
                rows.append(kind.prepare(sample))
                rows += kind.prepare_several(sample) if isinstance(kind, PreparesSeveral) else ()
        odd = [type(row).__name__ for row in rows if not isinstance(row, Prepared)]
        self._require_none(odd, "prepare gives {odd}", "Return headstart.specs.Prepared.")
        return rows

    def _rows(self) -> list[Prepared]:
        """All prepared rows, copied. Skips where their form is wrong: one test is about that."""
        rows = self._prepared()
        self._skip_where(
            any(tensors_problem(row.tensors, self._input_kind().tensors) for row in rows),
            f"what {self.name} prepares is not what it declares, see the test of that",
        )
        return [replace(row, tensors={name: array.copy() for name, array in row.tensors.items()}) for row in rows]


class InputKindPrepared(InputKindSubject):
    """Reads, prepares and varies the samples of `payloads`; needs no backend."""

    def test_what_is_fitted_to_a_training_split_is_in_its_assets(self) -> None:
        """Where it is a FitsAhead: a function of that split, all of it in `assets`; before it, samples can be read."""
        kind = self._build(self._assets())
        if not isinstance(kind, FitsAhead) or kind.is_fitted:
            return
        self._read_by(kind)
        ones = [self._fitted(kind), self._fitted(self._build(self._assets()))]
        self._require(
            not kind.is_fitted and all(isinstance(each, FitsAhead) and each.is_fitted for each in ones),
            "is_fitted does not tell the kind from the one that `fitted_ahead` gave",
            "Return a new kind that says True, and leave the old one as it was.",
        )
        files = [
            {name: Path(path).read_bytes() for name, path in each.assets().items()}
            if isinstance(each, HasAssets)
            else {}
            for each in ones
        ]
        self._require(files[0], "fitted, it has no assets", "Keep what it took in files, and name them in `assets`.")
        self._require(
            files[0] == files[1],
            "fitted twice to the same payloads, its files differ",
            "It may depend on the training split alone: fix seeds and the number of threads, and write no times.",
        )
        again = self._build(cast("HasAssets", ones[0]).assets())
        self._require(
            isinstance(again, FitsAhead) and again.is_fitted,
            "built from its assets, it says that it is not fitted",
            "Look for them in `request.assets`.",
        )

    def test_what_it_prepares_is_what_it_declares(self) -> None:
        """Names, shapes and dtypes of `tensors`, finite; `length` within the length axis; at least one row a record."""
        kind = self._input_kind()
        for row in self._prepared():
            problem = tensors_problem(row.tensors, kind.tensors)
            self._require_sound("prepared, ", problem, "Correct `prepare`, or `tensors`.")
            sizes = _lengths(kind)
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
            self._require_sound("its facts are ", problem, "Keep numbers, texts and lists of them.")

    def test_the_same_payload_gives_the_same_rows(self) -> None:
        """Read and prepared again, and by another build; in training and prediction alike."""
        first = [(row.tensors, row.facts, row.length) for row in self._prepared()]
        for kind, what in ((self._input_kind(), "again"), (self._complete(self._assets()), "by another build")):
            rows = self._rows_by(kind, self._read_by(kind))
            same = is_same(first, [(row.tensors, row.facts, row.length) for row in rows])
            self._require(same, f"prepared {what}, a payload gives other rows", PURE)

    def test_an_unreadable_payload_is_refused_by_the_name_of_the_record(self) -> None:
        """DataError, whose message has `where` in it: the record is then left out and listed."""
        change = f"Raise DataError that names `where`; if it can be read, set `unreadable` in {self._title}."
        for payload in self.unreadable:
            with self._refused(f"reading {payload!r}", change, by=DataError, naming="record 17"):
                self._input_kind().read(payload, "record 17")
                self._fail(f"it reads {payload!r}", change)

    def test_its_lengths_are_a_few_and_end_with_the_stored_one(self) -> None:
        """Where it is a Trims: ascending, each batch is cut to one of them."""
        kind = self._input_kind()
        if not isinstance(kind, Trims):
            return
        sizes = _lengths(kind)
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
            with self._raising(f"{changes}", "Apply what `changes` of the spec names."):
                varied = kind.transform(sample, changes)
            problem = tensors_problem(varied, kind.tensors)
            self._require_sound(f"varied by {changes}, ", problem, "Keep names, shapes and dtypes.")
            self._require(is_same(before, sample), f"{changes} alters the sample", "Make new arrays.")

    def test_an_unknown_change_is_refused_by_name(self) -> None:
        """PluginError: an augmentation must not be silently without effect."""
        kind, tensors = self._input_kind(), self._rows()[0].tensors
        change = "Raise headstart.errors.PluginError that names it."
        for changes in ((Change(UNKNOWN),), (*self.changes, Change(UNKNOWN, 1.0))):
            with self._refused(f"the change {UNKNOWN!r}", change, by=PluginError, naming=UNKNOWN):
                kind.transform(tensors, changes)
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
        absent, change = self._folder("payloads") / "not-there", "Raise UsageError that names the path."
        with self._refused(f"find({str(absent)!r})", change, by=UsageError, naming=absent.name):
            found = list(kind.find(absent))
            self._fail(f"find({str(absent)!r}) is {found!r}", change)

    def test_what_it_shows_of_a_sample_can_be_shown(self) -> None:
        """`fingerprint` is a whole number or None; `preview` a picture, a sound or a text that is no empty file."""
        kind, changes = self._input_kind(), tuple(self.changes)
        for sample in self._samples():
            fingerprint = kind.fingerprint(sample)
            sound = fingerprint is None or (isinstance(fingerprint, int) and fingerprint == kind.fingerprint(sample))
            self._require(sound, f"fingerprint gives {fingerprint!r}", "Return the same int each time, or None.")
            for shown in (kind.preview(sample), kind.preview(sample, changes)):
                self._require_sound("preview gives ", _preview_problem(shown), "Return a Preview, or None.")
            if isinstance(kind, ShowsDetail):
                problem = _preview_problem(kind.detailed_preview(sample))
                self._require_sound("detailed_preview gives ", problem, "Return a Preview.")
        hint = kind.hint
        self._require(isinstance(hint, str) and hint.strip(), f"hint is {hint!r}", "Say what users should look at.")

    def test_its_tiles_are_rows_as_those_that_it_prepares(self) -> None:
        """Where it is a CutsTiles: of the same tensors, with a place each, the same each time; a sample that one tile
        holds is prepared as without."""
        kind = self._input_kind()
        if not isinstance(kind, CutsTiles):
            return
        side = kind.smallest_tile
        self._require(isinstance(side, int) and side >= 1, f"smallest_tile is {side!r}", "Give a whole number from 1.")
        for sample in self._samples():
            tiles, again = (list(kind.tiles(sample, side, side // 2)) for _ in range(2))
            self._require(tiles, "a sample is cut into no tile", "Give one tile at least.")
            for tile, other in zip(tiles, again, strict=True):
                self._require_sound("a tile's ", tensors_problem(tile.tensors, kind.tensors), "Prepare it as a sample.")
                self._require("tile" in tile.facts, "a tile has no fact `tile`", "Say where it lies in the sample.")
                self._require_sound("a tile's facts are ", plain_problem(dict(tile.facts)), "Keep plain values.")
                self._require(is_same(tile.tensors, other.tensors), "cut twice, a tile differs", PURE)
            whole = list(kind.tiles(sample, LARGEST_TILE, 0))
            same = len(whole) == 1 and is_same(whole[0].tensors, kind.prepare(sample).tensors)
            self._require(same, "a sample that one tile holds is not as `prepare` gives it", "Do not cut it.")

    def test_what_it_offers_beside_is_sound(self) -> None:
        """All Protocols beside InputKind whose methods it has, but those that cut rows."""
        kind, rows = self._input_kind(), self._rows()
        if isinstance(kind, MixesSamples):
            self._check_mixing(kind, rows[0].tensors, rows[-1].tensors)
        if isinstance(kind, JudgesChanges):
            judged = kind.symmetries(tuple(self.changes))
            sound = all(isinstance(each, str) for pair in judged.items() for each in pair)
            self._require(sound, f"symmetries gives {judged}", "Return what is done, by symmetry.")
            self._require(kind.only_moves(()) is True, "without changes, only_moves is not True", "Nothing is changed.")
        if isinstance(kind, LacksChanges):
            self._check_lacking(kind.lacking(), rows[0].tensors)
        if isinstance(kind, JudgesNotes):
            for samples in ([], self._samples()):
                found = list(kind.judge_notes(Counter(note for sample in samples for note in sample.notes)))
                sound = all(isinstance(each, Finding) and each.level != "error" for each in found)
                self._require(sound, f"judge_notes gives {found}", "Return findings: notes and warnings.")
        if isinstance(kind, DrawsSheets):
            shown = [Shown(rows[0].tensors, ("a",)), Shown(rows[-1].tensors, ("b",), notes=("a note",))]
            sheet = kind.sheet([shown, shown], ("as it is", "varied"))
            self._require(sheet.media_type == "image/png", f"its sheet is {sheet.media_type}", "Give image/png.")
        if isinstance(kind, NamesSteps):
            for row in rows:
                self._check_steps(kind, row)
        if isinstance(kind, HasAssets):
            given = kind.assets()
            change = "Give an existing file for each name without folders."
            self._require_none(odd_assets(given), "assets names {odd}", change)
            again = self._rows_by(self._build(given), self._samples())
            same = is_same([row.tensors for row in rows], [row.tensors for row in again])
            self._require(same, "built from its own assets, it prepares otherwise", "Keep all that it needs in them.")

    def test_it_reads_the_forms_that_a_finished_network_learned_from_alone(self) -> None:
        """Where it tells forms apart: others are refused by the name of the payload."""
        kind = self._input_kind()
        if not isinstance(kind, ReadsForms):
            return
        payloads = [(payload, kind.form(payload)) for payload in self._payloads()]
        for learned in {form for _, form in payloads}:
            asked = self._build(kind.assets() if isinstance(kind, HasAssets) else self._assets(), forms=(learned,))
            for payload, form in payloads:
                if form == learned:
                    asked.read(payload, "record 17")
                    continue
                change = "Raise DataError that names `where` for a form that is not among `forms`."
                with self._refused(f"a payload of the form {form!r}", change, by=DataError, naming="record 17"):
                    asked.read(payload, "record 17")
                    self._fail(f"built with the form {learned!r}, it reads one of the form {form!r}", change)

    def _check_steps(self, kind: NamesSteps, row: Prepared) -> None:
        before = {name: tensor.copy() for name, tensor in row.tensors.items()}
        steps = list(kind.steps(row))
        self._require(
            len(steps) == row.length and all(isinstance(each, str) for each in steps),
            f"of a row of length {row.length}, steps gives {steps!r:.200}",
            "Give a text for each step that the row uses, in order.",
        )
        blank = kind.blank(row)
        self._require_sound(
            "blank gives ", tensors_problem(blank, self._input_kind().tensors), "Keep names, shapes and dtypes."
        )
        self._require(is_same(before, dict(row.tensors)), "blank alters the row", "Make new arrays.")
        self._require(
            is_same(dict(blank), dict(kind.blank(replace(row, tensors=blank)))),
            "blanked again, a blank row is another one",
            "Let what a blank row holds stand for no content.",
        )

    def _check_lacking(self, lacking: Mapping[str, str], tensors: Mapping[str, np.ndarray]) -> None:
        odd = (name for name, why in lacking.items() if name not in self.spec.changes or not why.strip())
        self._require_none(odd, "lacking names {odd}", "Name changes of the spec, and say why.")
        examples = {change.name: change for change in self.changes}
        for name in lacking:
            with self._refused(f"the change {name!r}", "Raise PluginError.", by=PluginError, naming=name):
                self._input_kind().transform(tensors, (examples[name],))
                self._fail(f"lacking names {name!r}, which it applies", "Take it out of `lacking`.")

    def _check_mixing(
        self, kind: MixesSamples, own: Mapping[str, np.ndarray], partner: Mapping[str, np.ndarray]
    ) -> None:
        import numpy as np

        for share in SHARES:
            mix = Mix(0.5, share)
            exact, mixed = kind.own_share(mix), kind.mix(own, partner, mix)
            self._require(abs(exact - share) < 1e-6, f"own_share({mix}) is {exact}", "Without a region it is `share`.")
            for name in own:
                problem = mixed_problem(own[name], partner[name], np.asarray(mixed[name]), share)
                self._require_sound(f"{name} of {mix} ", problem, "Correct `mix`.")
        with self._refused("an unknown region", "Raise PluginError.", by=PluginError, naming=""):
            kind.mix(own, partner, Mix(0.5, 0.5, region=UNKNOWN))
            self._fail("an unknown region is mixed", "Raise PluginError.")


class InputKindStaged(InputKindSubject):
    """Runs `stage` on KERAS_BACKEND or the first installed backend."""

    def test_its_stage_takes_its_tensors_and_stays_in_range(self) -> None:
        """The model's inputs are `tensors`; what it gives lies within `output_ranges`, which name its outputs."""
        self._backend()
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


def _lengths(kind: InputKind) -> list[int]:
    """How long the length axes of its tensors are."""
    return [spec.shape[spec.length_axis] for spec in kind.tensors.values() if spec.length_axis is not None]


def _preview_problem(shown: Any) -> str | None:
    if shown is None:
        return None
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
