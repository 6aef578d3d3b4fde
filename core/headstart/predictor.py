"""The one way from a raw input to an answer; predict, evaluate and the check after training all take it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from headstart.asking import Tiling
from headstart.data.lengths import Lengths, cut_to
from headstart.data.payloads import in_memory
from headstart.data.reading import prepared_of
from headstart.engine.batch import bytes_a_row, concatenated, filled_together, rows_within, take
from headstart.engine.in_flight import Joined, Window, computed
from headstart.engine.scoring import pooled
from headstart.errors import REFUSED, DataError, HeadstartError, UsageError
from headstart.shown import Shown
from headstart.specs import (
    Batch,
    CutsTiles,
    Facts,
    InputKind,
    MergesTiles,
    Prepared,
    Sample,
    Stored,
    Task,
    Trims,
)

if TYPE_CHECKING:
    from headstart.engine.features.extractor import Opened
    from headstart.engine.network.network import Network
    from headstart.engine.step import Forward, ScoreStep

SIZES = (1, 8, 32)
"""Rows a call: the static shapes of a batch, but for its length where rows differ in length. See `sizes_for`."""
BATCH = SIZES[-1]
DENSE = 1 << 16
"""Bytes of outputs for a row from which they are taken to be of many places, such as pixels."""
WINDOW_BATCHES, WINDOW_BYTES = 32, 64 << 20
"""Inputs that vary in length are read so many batches at a time, or as many as their tensors fit into, and those of
like length run together: a batch is as long as its longest."""


@dataclass(frozen=True)
class Rows:
    """The rows of some inputs, in order, as they were `prepared`: the head's `outputs` (row, ...), and the `owners`
    (row,) int64, the place of the input that each row is of."""

    prepared: Sequence[Prepared]
    outputs: Batch
    owners: np.ndarray

    @property
    def facts(self) -> tuple[Facts, ...]:
        """Those of each row."""
        return tuple(row.facts for row in self.prepared)

    @property
    def tensors(self) -> Batch:
        """Those of all rows (row, ...), made when they are asked for."""
        return _stacked(self.prepared)


@dataclass(frozen=True)
class Answered:
    """Some inputs: the `outputs` (input, ...) that their rows or tiles came to, of each the `facts` of its first one
    and the `notes` of what reading it took, and the `places` of the inputs among all."""

    outputs: Batch
    facts: tuple[Facts, ...]
    notes: tuple[tuple[str, ...], ...]
    places: tuple[int, ...]


@dataclass(frozen=True)
class AnsweredRows(Answered):
    """The same with the `rows` themselves."""

    rows: Rows


@dataclass(frozen=True)
class _Read:
    """Some inputs as read: the rows, the notes and the place of each."""

    prepared: tuple[Sequence[Prepared], ...]
    notes: tuple[tuple[str, ...], ...]
    places: tuple[int, ...]

    @cached_property
    def rows(self) -> Sequence[Prepared]:
        """All of them, in order."""
        return [row for rows in self.prepared for row in rows]


@dataclass(frozen=True)
class _Tile:
    """One tile of the input at `place`, and the notes of what reading that took."""

    place: int
    row: Prepared
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Cut:
    """Some tiles, in order."""

    tiles: Sequence[_Tile]

    @property
    def rows(self) -> Sequence[Prepared]:
        """Each as the network takes it."""
        return [tile.row for tile in self.tiles]


Several = TypeVar("Several", _Read, _Cut)


@dataclass(frozen=True, repr=False)
class Predictor(Shown):
    """Reads raw inputs with the artefact's own preprocessing, runs the network, and answers in names.

    `forward` is from (batch, ...) input tensors to the head's outputs, or to what the task generates; `axes` are the
    length axes of those that have one, without the batch axis. `score` is there where a head is fed its targets, or
    where the task generates: teacher-forced outputs and losses. `sizes` are the rows a call that `forward` is for: few
    inputs take the smallest that holds all their rows, more than fit into the largest take that one throughout. With
    `any_length` it takes rows of every length, not of the kind's static ones alone.
    """

    kind: InputKind
    task: Task
    forward: Forward
    score: ScoreStep | None = None
    axes: Mapping[str, int] = field(default_factory=dict)
    sizes: tuple[int, ...] = SIZES
    any_length: bool = False

    @property
    def window(self) -> int:
        """Inputs that are read and answered together: where one of so many begins, answers depend on none before it."""
        if not isinstance(self.kind, Trims):
            return self.sizes[-1]
        return BATCH * min(WINDOW_BATCHES, max(1, WINDOW_BYTES // (BATCH * _row_bytes(self.kind))))

    def facts(self) -> Mapping[str, Any]:
        """See `Shown`."""
        tensors = {name: (*spec.shape,) for name, spec in self.kind.tensors.items()}
        return {"input": type(self.kind).__name__, "tensors": tensors, "task": type(self.task).__name__}

    def by(self, opened: Opened, head: Forward, size: int | None = None) -> Predictor:
        """The same with its backbone as it was `opened` in an engine, and its `head` above that; a call brings `size`
        rows, or as many as the engine wants."""
        from headstart.engine.device import compiles_each_shape  # which imports keras

        any_length = opened.any_length and not (opened.axes[1] and compiles_each_shape())  # for what the head takes
        sizes = (size or opened.batch_size,)
        return replace(self, forward=Joined(opened.compiled, head), sizes=sizes, any_length=any_length)

    def predict(self, raw: Any, *, top_k: int = 1) -> Any:
        """Answer one raw input (path, bytes or array), or a list of them.

        Returns the task's answer as a mapping, or a list of mappings in the order of the inputs, see `answers`. Raises
        DataError naming a single input that cannot be read; of several, that one's mapping has nothing but `error`.
        """
        if isinstance(raw, list | tuple):
            return list(self.answers(raw, top_k=top_k))
        (batch,) = self.answer([raw])
        return next(self._decoded(batch, top_k))

    def answers(
        self,
        payloads: Sequence[Any],
        *,
        top_k: int = 1,
        on_progress: Callable[[int, int], None] | None = None,
        tiling: Tiling | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        """The task's answer to each of several inputs, in order, as they come; of large ones from their tiles, with a
        `tiling`.

        `notes` is there where reading took a conversion, such as "converted from CMYK". An input that cannot be read,
        or is an error itself, has {"error": reason} in its place; the others are answered as they are without it, to
        the bit.
        """
        refused: dict[int, DataError] = {}
        told = 0
        if on_progress is not None:
            on_progress(0, len(payloads))
        batches: Iterator[Answered] = (
            self.answer(payloads, on_progress, refused)
            if tiling is None
            else self.answer_in_tiles(payloads, tiling, on_progress, refused)
        )
        for batch in batches:
            for place, answer in zip(batch.places, self._decoded(batch, top_k), strict=True):
                yield from ({REFUSED: refused[earlier].message} for earlier in range(told, place))
                yield answer
                told = place + 1
            del batch  # or its rows are there until the next ones have come
        if on_progress is not None and told < len(payloads):
            on_progress(len(payloads), len(payloads))
        yield from ({REFUSED: refused[rest].message} for rest in range(told, len(payloads)))

    def _decoded(self, batch: Answered, top_k: int) -> Iterator[Mapping[str, Any]]:
        """Answers of a batch; where outputs are dense, so may answers be: then each is made when it is asked for."""
        count = len(batch.facts)
        step = 1 if bytes_a_row(batch.outputs) > DENSE else count
        for start in range(0, count, step):
            rows = slice(start, start + step)
            decoded = self.task.decode(take(batch.outputs, rows), batch.facts[rows], top_k)
            for answer, notes in zip(decoded, batch.notes[rows], strict=True):
                yield {**answer, "notes": "; ".join(notes)} if notes else answer

    def outputs(self, payloads: Sequence[Any]) -> dict[str, np.ndarray]:
        """The head's named outputs, (row, ...) float32, of a few `payloads` (not empty), in order."""
        return dict(concatenated([batch.rows.outputs for batch in self.answer(payloads)]))

    def losses(self) -> Callable[[Rows, Batch], np.ndarray]:
        """From rows and their encoded targets (row, ...) the loss (row,) of each; teacher-forced where the head is fed
        its targets, and of the head's own outputs where the task generates."""
        from headstart.engine.device import loss_step
        from headstart.engine.target_lengths import trimmed

        score = self.score
        if score is None:
            of_outputs = loss_step(self.task)
            return lambda rows, targets: of_outputs(targets, rows.outputs)

        def teacher_forced(rows: Rows, targets: Batch) -> np.ndarray:
            found, tensors = [], rows.tensors
            size = self.sizes[-1]
            for start in range(0, len(rows.prepared), size):
                picked = np.arange(start, min(start + size, len(rows.prepared)))
                padded = np.resize(picked, size)
                scored = score(take(tensors, padded), trimmed(self.task, take(targets, padded)))
                found.append(scored.losses[: len(picked)])
            return np.concatenate(found)

        return teacher_forced

    def answer(
        self,
        payloads: Sequence[Any],
        on_progress: Callable[[int, int], None] | None = None,
        refused: dict[int, DataError] | None = None,
    ) -> Iterator[AnsweredRows]:
        """Answer inputs in order, as many at a time as a call takes, or several times BATCH where they vary in length;
        the next are read while some run.

        Raises DataError naming an input that cannot be read. With `refused`, why is kept there by the input's place
        instead, before an input behind it is answered; batches hold what they would hold without it.
        """
        for read, outputs in self._computed(self._prepared(payloads, refused)):
            counts = [len(rows) for rows in read.prepared]
            rows = Rows(read.rows, outputs, np.repeat(np.arange(len(counts)), counts))
            firsts = np.cumsum([0, *counts[:-1]])
            answers, facts = outputs, rows.facts
            if len(facts) > len(counts):
                pieces = [slice(start, start + count) for start, count in zip(firsts, counts, strict=True)]
                answers = filled_together([pooled(self.task, take(outputs, piece), facts[piece]) for piece in pieces])
            if on_progress is not None:
                on_progress(read.places[-1] + 1, len(payloads))
            yield AnsweredRows(answers, tuple(facts[first] for first in firsts), read.notes, read.places, rows)
            del read, outputs, answers, rows  # or two batches of dense outputs are there at a time

    def answer_in_tiles(
        self,
        payloads: Sequence[Any],
        tiling: Tiling,
        on_progress: Callable[[int, int], None] | None = None,
        refused: dict[int, DataError] | None = None,
    ) -> Iterator[Answered]:
        """As `answer`, an input at a time, each cut into tiles that the task merges: what is held does not grow with
        their number but for what the task keeps of them. Tiles of several inputs may run together.

        Raises the errors of `verify_tiling`.
        """
        merges = verify_tiling(self.kind, self.task, tiling)
        merger, first = merges.merger(), None
        for cut, outputs in self._computed(self._cut(payloads, tiling, refused)):
            tiles = cut.tiles
            starts = [row for row, tile in enumerate(tiles) if not row or tile.place != tiles[row - 1].place]
            for start, stop in zip(starts, [*starts[1:], len(tiles)], strict=True):
                if first is not None and first.place != tiles[start].place:
                    yield self._merged(merger.merged(), first, on_progress, len(payloads))
                    merger, first = merges.merger(), None
                first = first or tiles[start]
                merger.add(take(outputs, slice(start, stop)), [tile.row.facts for tile in tiles[start:stop]])
            del outputs
        if first is not None:
            yield self._merged(merger.merged(), first, on_progress, len(payloads))

    @staticmethod
    def _merged(outputs: Batch, first: _Tile, on_progress: Callable[[int, int], None] | None, total: int) -> Answered:
        if on_progress is not None:
            on_progress(first.place + 1, total)
        return Answered(outputs, (first.row.facts,), (first.notes,), (first.place,))

    def _cut(self, payloads: Sequence[Any], tiling: Tiling, refused: dict[int, DataError] | None) -> Iterator[_Cut]:
        """The tiles of inputs that can be read, as many at a time as a call takes; those of one input are made as they
        are needed."""
        kind = cast("CutsTiles", self.kind)
        cut: list[_Tile] = []
        for place, payload in enumerate(payloads):
            try:
                sample = self._sample(payload)
            except DataError as exc:
                if refused is None:
                    raise
                refused[place] = exc
                continue
            for row in kind.tiles(sample, tiling.side, tiling.overlap):
                cut.append(_Tile(place, row, sample.notes))
                if len(cut) == self.sizes[-1]:
                    yield _Cut(cut)
                    cut = []
        if cut:
            yield _Cut(cut)

    def _prepared(self, payloads: Sequence[Any], refused: dict[int, DataError] | None) -> Iterator[_Read]:
        """As many inputs that can be read as a call takes, or as make a window."""
        read: list[tuple[Sequence[Prepared], tuple[str, ...], int]] = []
        window = self.window
        for place, payload in enumerate(payloads):
            try:
                read.append((*self._read(payload), place))
            except DataError as exc:
                if refused is None:
                    raise
                refused[place] = exc
            if read and (len(read) == window or place + 1 == len(payloads)):
                yield _Read(*zip(*read, strict=True))
                read = []

    def read(self, payload: Any) -> Sequence[Prepared]:
        """The rows of one input. Raises DataError."""
        return self._read(payload)[0]

    def filled(self, rows: Sequence[Prepared], size: int) -> Batch:
        """Tensors of some rows as `forward` gets them: a batch of `size`, filled up with the last of them, at a static
        length."""
        tensors = _stacked([*rows, *[rows[-1]] * (size - len(rows))])
        lengths = self._lengths(rows)
        if lengths is None:
            return tensors
        return cut_to(tensors, self._entering, lengths.of_batch(np.arange(len(rows))), lengths.static[-1])

    def _computed(self, several: Iterator[Several]) -> Iterator[tuple[Several, dict[str, np.ndarray]]]:
        """The outputs of all rows of each, in order; the next are read while some run."""

        def windows() -> Iterator[Window[Several]]:
            size = 0
            for each in several:
                rows = each.rows
                if not size:  # a last batch that is not full takes the size of those before
                    size = next((size for size in self.sizes if size >= len(rows)), self.sizes[-1])
                yield Window(each, len(rows), partial(_picked, rows), size, self._lengths(rows))

        return computed(self.forward, windows(), axes=(self._entering, self.axes), any_length=self.any_length)

    @property
    def _entering(self) -> Mapping[str, int]:
        """The length axis of each tensor of a row that has one."""
        return {name: spec.length_axis for name, spec in self.kind.tensors.items() if spec.length_axis is not None}

    def _lengths(self, rows: Sequence[Prepared]) -> Lengths | None:
        """Those of some rows; None where all are of one."""
        if not isinstance(self.kind, Trims):
            return None
        longest = self.kind.lengths[-1]
        used = [longest if row.length is None else row.length for row in rows]
        return Lengths(np.array(used), self.kind.lengths)

    def _read(self, payload: Any) -> tuple[Sequence[Prepared], tuple[str, ...]]:
        """The rows of one input, and what reading it took."""
        sample = self._sample(payload)
        return prepared_of(self.kind, sample, _where(payload)), sample.notes

    def _sample(self, payload: Any) -> Sample:
        """One input as read. Raises DataError; of a payload that is an error itself, such as of a file that is not
        there, that."""
        if isinstance(payload, HeadstartError):
            raise DataError(payload.message, hint=payload.hint) from payload
        return self.kind.read(in_memory(payload), _where(payload))


def _stacked(rows: Sequence[Prepared]) -> dict[str, np.ndarray]:
    """Their tensors (row, ...), padded to the longest."""
    return {name: np.stack([row.tensors[name] for row in rows]) for name in rows[0].tensors}


def _picked(rows: Sequence[Prepared], places: np.ndarray) -> dict[str, np.ndarray]:
    """The same of those at some `places`."""
    return _stacked([rows[place] for place in places])


def sizes_for(kind: InputKind, network: Network | None = None) -> tuple[int, ...]:
    """SIZES on the device at hand, for samples of this kind: smaller on a processor where samples are large, or what
    layers of `network` make of them, which run one by one."""
    from headstart.engine.device import compiles_each_shape  # which imports keras
    from headstart.engine.lowering.registry import device_at_hand
    from headstart.engine.network.liveness import BLOCK, largest_tensor

    if device_at_hand() != "cpu":
        return SIZES
    largest = rows_within(_row_bytes(kind), BATCH)
    if network is not None and not compiles_each_shape():
        made = largest_tensor(stage.model for stage in network.stages)
        largest = min(largest, rows_within(made, BATCH, BLOCK - 1))
    return tuple(sorted({min(size, largest) for size in SIZES}))


def _row_bytes(kind: InputKind) -> int:
    """What a row of samples takes."""
    return sum(math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in kind.tensors.values())


def verify_tiling(kind: InputKind, task: Task, tiling: Tiling) -> MergesTiles:
    """The task as what merges tiles. Raises UsageError where it does not, where the input kind cuts none, and for tiles
    that are too small for it."""
    without = "leave predict.tile out"
    if not isinstance(kind, CutsTiles):
        raise UsageError(
            f"predict.tile: the input kind of this run, {type(kind).__name__}, cuts no tiles", hint=without
        )
    if not isinstance(task, MergesTiles):
        raise UsageError(
            f"predict.tile: the task of this run, {type(task).__name__}, does not say how answers to tiles become one",
            hint=f"{without}; its author can give it `merger`, see MergesTiles",
        )
    if tiling.side < kind.smallest_tile:
        raise UsageError(
            f"predict.tile: must be at least {kind.smallest_tile} for this run's input kind, not {tiling.side}",
            hint="choose tiles in which things look about as large as in the run's own samples",
        )
    return task


def _where(payload: Any) -> str:
    is_named = isinstance(payload, str | Stored) or hasattr(payload, "__fspath__")
    text = str(payload) if is_named else type(payload).__name__
    if isinstance(payload, list | tuple) and all(isinstance(each, str) for each in payload):
        text = " / ".join(payload)
    return text if len(text) < 300 else text[:300] + "..."
