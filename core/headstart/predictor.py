"""The one way from a raw input to an answer; predict, evaluate and the check after training all take it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.ahead import ahead
from headstart.data.lengths import Lengths, cut_to, padded_from
from headstart.data.payloads import in_memory
from headstart.data.reading import prepared_of
from headstart.engine.batch import concatenated, take
from headstart.engine.scoring import pooled
from headstart.specs import Batch, Facts, InputKind, Prepared, Stored, Task, Trims

if TYPE_CHECKING:
    from headstart.engine.step import Forward, ScoreStep

SIZES = (1, 8, 32)
"""Rows a call: the static shapes of a batch, but for its length where rows differ in length."""
BATCH = SIZES[-1]


@dataclass(frozen=True)
class Rows:
    """The rows of some inputs, in order: their `tensors` and the head's `outputs` (row, ...), the `facts` of each, and
    the `owners` (row,) int64, the place of the input that each row is of."""

    tensors: Batch
    outputs: Batch
    facts: tuple[Facts, ...]
    owners: np.ndarray


@dataclass(frozen=True)
class Answered:
    """Some inputs: the `outputs` (input, ...) that their rows came to, of each the `facts` of its first row and the
    `notes` of what reading it took, and the `rows` themselves."""

    outputs: Batch
    facts: tuple[Facts, ...]
    notes: tuple[tuple[str, ...], ...]
    rows: Rows


@dataclass(frozen=True)
class Predictor:
    """Reads raw inputs with the artefact's own preprocessing, runs the network, and answers in names.

    `forward` is from (batch, ...) input tensors to the head's outputs, or to what the task generates; `axes` are the
    length axes of those that have one, without the batch axis. `score` is there where a head is fed its targets, or
    where the task generates: teacher-forced outputs and losses. `sizes` are the rows a call that `forward` is for: few
    inputs take the smallest that holds all their rows, more than fit into the largest take that one throughout.
    """

    kind: InputKind
    task: Task
    forward: Forward
    score: ScoreStep | None = None
    axes: Mapping[str, int] = field(default_factory=dict)
    sizes: tuple[int, ...] = SIZES

    def predict(self, raw: Any, *, top_k: int = 1) -> Any:
        """Answer one raw input (path, bytes or array), or a list of them.

        Returns the task's answer as a mapping, or a list of mappings in the order of the inputs; `notes` is there where
        reading took a conversion, such as "converted from CMYK". Raises DataError naming an input that cannot be read.
        """
        several = isinstance(raw, list | tuple)
        answers = []
        for batch in self.answer(raw if several else [raw]):
            decoded = self.task.decode(batch.outputs, batch.facts, top_k)
            for answer, notes in zip(decoded, batch.notes, strict=True):
                answers.append({**answer, "notes": "; ".join(notes)} if notes else answer)
        return answers if several else answers[0]

    def outputs(self, payloads: Sequence[Any]) -> dict[str, np.ndarray]:
        """The head's named outputs, (row, ...) float32, of a few `payloads` (not empty), in order."""
        return dict(concatenated([batch.rows.outputs for batch in self.answer(payloads)]))

    def losses(self) -> Callable[[Rows, Batch], np.ndarray]:
        """From rows and their encoded targets (row, ...) the loss (row,) of each; teacher-forced where the head is fed
        its targets, and of the head's own outputs where the task generates."""
        from headstart.engine.device import loss_step

        score = self.score
        if score is None:
            of_outputs = loss_step(self.task)
            return lambda rows, targets: of_outputs(targets, rows.outputs)

        def teacher_forced(rows: Rows, targets: Batch) -> np.ndarray:
            found = []
            for start in range(0, len(rows.facts), BATCH):
                picked = np.arange(start, min(start + BATCH, len(rows.facts)))
                padded = np.resize(picked, self._size_for(len(rows.facts)))
                scored = score(take(rows.tensors, padded), take(targets, padded))
                found.append(scored.losses[: len(picked)])
            return np.concatenate(found)

        return teacher_forced

    def answer(
        self, payloads: Sequence[Any], on_progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Answered]:
        """Answer inputs in order, BATCH at a time; the next are read while one batch runs."""
        done = 0
        for prepared, notes in ahead(self._prepared(payloads)):
            flat = [row for rows in prepared for row in rows]
            owners = np.repeat(np.arange(len(prepared)), [len(rows) for rows in prepared])
            facts = tuple(row.facts for row in flat)
            size = self._size_for(len(flat) if len(payloads) <= BATCH else len(payloads))
            parts = [self._run(flat[start : start + size], size) for start in range(0, len(flat), size)]
            tensors, outputs = (concatenated(each) for each in zip(*parts, strict=True))
            rows = Rows(tensors, outputs, facts, owners)
            firsts = np.searchsorted(owners, np.arange(len(prepared)))
            answers = outputs
            if len(flat) > len(prepared):
                pieces = [slice(start, start + len(of)) for start, of in zip(firsts, prepared, strict=True)]
                answers = concatenated([pooled(self.task, take(outputs, piece), facts[piece]) for piece in pieces])
            done += len(prepared)
            if on_progress is not None:
                on_progress(done, len(payloads))
            yield Answered(answers, tuple(facts[first] for first in firsts), notes, rows)
            del parts, tensors, outputs, answers, rows  # or two batches of dense outputs are there at a time

    def _size_for(self, rows: int) -> int:
        return next((size for size in self.sizes if size >= rows), self.sizes[-1])

    def _prepared(
        self, payloads: Sequence[Any]
    ) -> Iterator[tuple[list[Sequence[Prepared]], tuple[tuple[str, ...], ...]]]:
        """The rows of BATCH inputs at a time, and the notes of each."""
        for first in range(0, len(payloads), BATCH):
            batch = payloads[first : first + BATCH]
            places = [_where(each) for each in batch]
            read = [self.kind.read(in_memory(each), place) for each, place in zip(batch, places, strict=True)]
            prepared = [prepared_of(self.kind, *each) for each in zip(read, places, strict=True)]
            yield prepared, tuple(sample.notes for sample in read)

    def _run(self, rows: Sequence[Prepared], size: int) -> tuple[Batch, Batch]:
        """Tensors and outputs of some rows, `size` at most: computed as a batch of that, filled up with the last row,
        as long as the longest of them needs. Both are returned at their full length."""
        filled = [*rows, *[rows[-1]] * (size - len(rows))]
        tensors = {name: np.stack([row.tensors[name] for row in filled]) for name in self.kind.tensors}
        real = slice(0, len(rows))
        if not isinstance(self.kind, Trims):
            return take(tensors, real), take(self.forward(tensors), real)
        longest = self.kind.lengths[-1]
        used = np.array([longest if row.length is None else row.length for row in filled])
        lengths = Lengths(used, self.kind.lengths)
        axes = {name: spec.length_axis for name, spec in self.kind.tensors.items() if spec.length_axis is not None}
        static = lengths.of_batch(np.arange(size))
        outputs = padded_from(self.forward(cut_to(tensors, axes, static, longest)), self.axes, static, longest)
        return take(tensors, real), take(outputs, real)


def _where(payload: Any) -> str:
    is_named = isinstance(payload, str | Stored) or hasattr(payload, "__fspath__")
    text = str(payload) if is_named else type(payload).__name__
    return text if len(text) < 300 else text[:300] + "..."
