"""Input kinds: payloads of one kind read, and turned into the tensors that a backbone's weights expect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from headstart.specs.base import Spec
from headstart.specs.datasets import Finding

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True)
class Change:
    """One change of a sample: a name from the input kind's `changes`, and a plain value (numbers, texts, tuples)."""

    name: str
    value: Any = None


@dataclass(frozen=True)
class Mix:
    """What another training sample contributes to one, or several do, one after the other.

    `partner` in [0, 1) picks row floor(partner * count) of the training samples in their fixed order. `share` in
    [0, 1] is the sample's own. Without a `region` values are averaged with these weights; with one the partner's values
    stand inside of it, and `share` is what remains outside, before the kind rounds the region to whole elements. What
    a region looks like, the input kind says.

    `own` are changes of the sample and `changes` those of the partner for this mix, each after what was drawn for it
    alone: a mosaic shrinks all that it holds. Partners do without the mix that was drawn for them, and its `own`.
    `then` is the next mix, into what this one gives: its `share` is of all that. The `own` of all steps come before the
    first.
    """

    partner: float
    share: float
    region: Any = None
    own: tuple[Change, ...] = ()
    changes: tuple[Change, ...] = ()
    then: Mix | None = None

    @property
    def steps(self) -> tuple[Mix, ...]:
        """This one and those that follow, a partner each."""
        return (self,) if self.then is None else (self, *self.then.steps)


@dataclass(frozen=True)
class Drawn:
    """One draw for one sample: `changes` in the order in which they apply, then the `mix`. `Drawn()` changes nothing.

    An input kind may fuse changes into one step where that is more exact, such as several moves of a picture.
    """

    changes: tuple[Change, ...] = ()
    mix: Mix | None = None

    @property
    def steps(self) -> tuple[Mix, ...]:
        """What is mixed into the sample, one partner after the other; () where nothing is."""
        return () if self.mix is None else self.mix.steps

    @property
    def whole(self) -> tuple[Change, ...]:
        """All that changes the sample itself before anything is mixed into it."""
        return (*self.changes, *(change for step in self.steps for change in step.own))


Facts = Mapping[str, Any]
"""Small plain JSON values about one row that `prepare` knew: original size, scale, offset, length, source text.

An evaluator that scores whole samples after training sees the record's `key` among them."""


@dataclass(frozen=True)
class TensorSpec:
    """One named tensor of a sample, without the batch axis. `dtype` is a numpy name such as "uint8".

    `length_axis` is the axis that varies in length up to its size in `shape`; None where all are fixed. `values` says
    of whole numbers that they are 0 to `values` - 1, such as ids of a vocabulary; None where nobody knows. `room` is
    the setting that makes the first axis longer, such as "task.most", of targets that are scored with as many places as
    a sample needs and learned with so many; None for all others.
    """

    shape: tuple[int, ...]
    dtype: str
    length_axis: int | None = None
    values: int | None = None
    room: str | None = None


@dataclass(frozen=True)
class Sample:
    """A payload as read: `value` in the input kind's own form, and the conversions that reading it took.

    `notes` are short, countable phrases such as "converted from CMYK": the same phrase for the same conversion.
    One that starts with "warning: " tells the user of something lost; the samples that have it are named.
    """

    value: Any
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """One row: tensors padded to the shapes of `InputKind.tensors`, and what else was known when they were made.

    `length` says how much of the length axes is used; None where the kind has none.
    """

    tensors: Mapping[str, np.ndarray]
    facts: Facts = field(default_factory=dict)
    length: int | None = None


@dataclass(frozen=True)
class Preview:
    """A sample as something a report can show: `media_type`, and its bytes.

    Reports show "image/png" and other pictures, "audio/wav", and "text/plain" in UTF-8.
    """

    media_type: str
    data: bytes


class InputKind(Protocol):
    """Reads payloads of one kind and turns them into the tensors that a backbone's weights expect.

    Built from the weights' own preprocessing, so nothing else ever scales an input.
    """

    tensors: Mapping[str, TensorSpec]
    """The tensors of what `prepare` returns, by name; fixed shapes."""
    output_ranges: Mapping[str, tuple[float, float]]
    """Lowest and highest value each tensor of `stage` can take after preprocessing; checked on the first batch."""
    hint: str
    """What to look at where tensors have odd values, in a sentence for users: who may have scaled them before."""

    def read(self, payload: Any, where: str) -> Sample:
        """Decode `payload` (Path, bytes, str or numpy array). Raises DataError naming `where`."""

    def prepare(self, sample: Sample) -> Prepared:
        """Bring a sample to the fixed shapes of `tensors`; deterministic, the same in training and prediction."""

    def transform(self, tensors: Mapping[str, np.ndarray], changes: Sequence[Change]) -> Mapping[str, np.ndarray]:
        """Apply drawn changes to a prepared sample; new arrays of equal shapes and dtypes.

        Raises PluginError naming a change that the kind does not know, or whose value it cannot apply.
        """

    def stage(self) -> keras.Model:
        """A Functional model from `tensors` to the backbone's inputs: preprocessing, without weights."""

    def find(self, raw: str | Path) -> Sequence[Any]:
        """The payloads that one raw input of a command line means: of a path the file itself or, of a folder, the files
        of this kind below it, sorted; of a text, where the kind reads texts, that text alone.

        Raises UsageError for a path that is not there.
        """

    def fingerprint(self, sample: Sample) -> int | None:
        """A hash that near-identical samples share, or None where the kind has none."""

    def preview(self, sample: Sample, changes: Sequence[Change] = ()) -> Preview | None:
        """A small rendering of a sample, as `changes` vary it, for reports; None where the kind has none."""


@dataclass(frozen=True)
class InputRequest:
    """What an input kind is built from: the weights' preprocessing (plain values) and the user's options.

    `assets` are files by name: those that come with the weights, or those that an artefact keeps of an earlier build.
    `forms` are those that a finished network learned from, see ReadsForms; () where it may be any.
    """

    preprocess: Mapping[str, Any]
    options: Any
    assets: Mapping[str, Path] = field(default_factory=dict)
    forms: tuple[str, ...] = ()


@runtime_checkable
class ReadsForms(Protocol):
    """What an InputKind offers too whose payloads come in forms that mean different things to a network, such as one
    text and two. Artefacts keep those that were learned from; built with `forms`, its `read` raises DataError naming
    `where` for any other."""

    def form(self, payload: Any) -> str:
        """The form of a payload, which is not read for it, in words: "a pair of texts"."""


@runtime_checkable
class HasAssets(Protocol):
    """What an input kind or a task offers too that needs files, such as a vocabulary, to be built again.

    They are copied to the artefact; when that is loaded, the request that builds it again holds them.
    """

    def assets(self) -> Mapping[str, Path]:
        """Every file that it is built from, by a name that can be a file's (`tokenizer.json`)."""


@runtime_checkable
class MixesSamples(Protocol):
    """What an InputKind offers too whose samples can be mixed; without it, augmentations that mix are refused."""

    def mix(
        self, tensors: Mapping[str, np.ndarray], partner: Mapping[str, np.ndarray], mix: Mix
    ) -> Mapping[str, np.ndarray]:
        """Two prepared samples as one, by the first of the steps of `mix`; keeps shapes and dtypes, returns new arrays.
        Raises PluginError for a region that the kind does not know."""

    def own_share(self, mix: Mix) -> float:
        """The exact share in [0, 1] of the sample's own in what the first step of `mix` gives: `mix.share`, or with a
        region the elements outside of it divided by all. Elements in the regions of later steps count in neither."""


@dataclass(frozen=True)
class Shown:
    """A sample on a contact sheet: its tensors as varied, without the batch axis, its labels, what was drawn for it,
    and further notes. `marks` are drawn over it, see MarksTargets; a kind leaves out those that it does not know."""

    tensors: Mapping[str, np.ndarray]
    labels: tuple[str, ...]
    drawn: Drawn = field(default_factory=Drawn)
    notes: tuple[str, ...] = ()
    marks: tuple[Any, ...] = ()


@runtime_checkable
class ShowsDetail(Protocol):
    """What an InputKind offers too whose previews are too small for what a report draws over them, such as boxes."""

    def detailed_preview(self, sample: Sample) -> Preview:
        """A rendering of a sample as it came, of several times the size of `preview`."""


@runtime_checkable
class DrawsSheets(Protocol):
    """What an InputKind offers too whose samples can be shown side by side."""

    def sheet(self, rows: Sequence[Sequence[Shown]], titles: Sequence[str]) -> Preview:
        """An "image/png" of equally many samples a row, under a line of `titles`; says below each what was drawn.

        The first column holds the samples as they are.
        """


@runtime_checkable
class JudgesChanges(Protocol):
    """What an InputKind offers too that can say what changes do to a sample; the contract kit asks it."""

    def symmetries(self, changes: Sequence[Change]) -> Mapping[str, str]:
        """The symmetries that labels must survive for these changes, each with what is done, such as
        {"horizontal_flip": "mirrors the sample"}."""

    def only_moves(self, changes: Sequence[Change]) -> bool:
        """True where values are moved or interpolated, so that none lies outside of the sample's own range."""


@runtime_checkable
class LacksChanges(Protocol):
    """What an InputKind offers too that, as it is built for some weights, cannot apply all changes of its spec."""

    def lacking(self) -> Mapping[str, str]:
        """Why, by the name of the change: {"mask_tokens": "their tokenizer has no mask token"}. `transform` raises
        PluginError for these; augmentations that draw them are refused before anything is trained."""


@runtime_checkable
class JudgesNotes(Protocol):
    """What an InputKind offers too whose samples tell together what none of them tells alone, such as that all are
    dark."""

    def judge_notes(self, notes: Mapping[str, int]) -> Sequence[Finding]:
        """Warnings and notes that follow from `notes`, those of all samples counted by phrase; often none."""


@runtime_checkable
class PreparesSeveral(Protocol):
    """What an InputKind offers too that makes several rows of one record: windows, tiles, passages."""

    def prepare_several(self, sample: Sample) -> Sequence[Prepared]:
        """The rows of a sample, in order, one or more; deterministic, as `prepare` is."""


@runtime_checkable
class CutsTiles(Protocol):
    """What an InputKind offers too that can cut a large sample into overlapping tiles, where a finished run is asked
    with them."""

    smallest_tile: int
    """The least side of a tile, in the elements of a sample: pixels of a picture."""

    def tiles(self, sample: Sample, side: int, overlap: int) -> Iterable[Prepared]:
        """The tiles of a sample, one or more, made as they are asked for: each a row as `prepare` gives it.

        A tile has `side` elements along each axis, or all there are where these are fewer; neighbours share `overlap`
        of them (0 <= overlap < side), and the last one along an axis, which ends with the sample, may share more. Facts
        are those of the sample as a whole, so that places in a tile's tensors lead to places in the sample, and `tile`:
        where it lies in that, as plain numbers. A sample of one tile is that of `prepare`.
        """


@runtime_checkable
class Trims(Protocol):
    """What an InputKind offers too whose rows are shorter than their tensors: batches may be cut to a few lengths."""

    lengths: tuple[int, ...]
    """The static lengths, ascending; the last one is the stored one."""


@runtime_checkable
class NamesSteps(Protocol):
    """What an InputKind offers too whose length axis is made of steps that people can read, such as the tokens of a
    text: reports say then which of them an answer depends on."""

    def steps(self, prepared: Prepared) -> Sequence[str]:
        """What each step that a row uses reads as, in order: `prepared.length` of them."""

    def blank(self, prepared: Prepared) -> Mapping[str, np.ndarray]:
        """The tensors of a row as long as this one that says nothing: what carries content is replaced by what the
        weights know as none, what frames it stays. New arrays of equal shapes and dtypes."""


class InputBuild(Protocol):
    """Build target of an InputSpec. Raises UsageError where `preprocess` has a value it does not know."""

    def __call__(self, request: InputRequest) -> InputKind:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class InputSpec(Spec):
    """An input kind. `build` is an InputBuild; `version` changes when the same bytes would read differently.

    `reads` are the media of its payloads, such as ("image",); `produces` is the kind of tensors that it makes of them,
    which meets a backbone's `takes`. `changes` are the names that augmentations may draw for it, each with a sentence:
    what it does, and its value. `readers` are packages whose releases may read the same payload otherwise. `flags` are
    command-line aliases of its options: {"image-size": "size"}. Where several kinds fit a run, the `native` one is
    taken.
    """

    build: str
    reads: tuple[str, ...]
    produces: str
    version: int = 1
    changes: Mapping[str, str] = field(default_factory=dict)
    readers: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    native: bool = False
