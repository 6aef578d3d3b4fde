"""Score samples through the Predictor, in one pass that keeps no outputs; predictions.csv, and the files that a task
writes beside it, are written as answers come."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from headstart.asking import Tiling
from headstart.atomic import explained, make_folders, opened, write_file
from headstart.cache import Cache
from headstart.documents import as_bytes, plain
from headstart.predictor import Answered, Predictor
from headstart.runs import kept_scores
from headstart.runs.kept_scores import Scored
from headstart.spans import span
from headstart.specs import Evaluation, KeepsTruth, Phase, TargetKind, Task, WritesFiles

if TYPE_CHECKING:
    from headstart.engine.scoring import ScoredRows, Scores

OnProgress = Callable[[int, int], None]
"""Hears how many samples are answered, of how many."""
EVERYTHING = sys.maxsize
"""As `top_k`: all that an answer can hold."""
MOST = 2**24
"""Bytes of rows up to which scores are kept from run to run."""
FILES = "predictions"
"""The folder, beside predictions.csv, of the files of a task that is a WritesFiles."""
OUTER = {"/": "%2F", "..": "%2E%2E"}
"""Parts of a key that lead out of that folder, and what stands in their place."""


@dataclass(frozen=True)
class Labelled:
    """Raw samples of one split, in parallel: their targets as `words` for people, and as `values` for the task."""

    split: str
    keys: tuple[str, ...]
    payloads: tuple[Any, ...]
    targets: tuple[Any, ...]
    kind: TargetKind

    def words(self, rows: slice) -> list[str]:
        """The targets of some samples, as text."""
        return [self.kind.words(target) for target in self.targets[rows]]

    def values(self, rows: slice) -> list[Any]:
        """The targets of some samples, as their kind reads them."""
        return [self.kind.read(*each) for each in zip(self.targets[rows], self.keys[rows], strict=True)]


@dataclass(frozen=True)
class PredictionsFile:
    """An open predictions.csv: key, split, target and the task's columns; floats in shortest round-trip form."""

    path: Path
    task: Task
    file: BinaryIO

    def write(self, samples: Labelled, rows: slice, batch: Answered) -> None:
        """Add the answers `batch` of these `rows` of `samples`: 0 to n rows of the table each."""
        answers = self.task.decode(batch.outputs, batch.facts, EVERYTHING)
        lines = []
        for key, words, answer in zip(samples.keys[rows], samples.words(rows), answers, strict=True):
            for row in self.task.rows(answer):
                lines.append([key, samples.split, words, *(_cell(row[column]) for column in self.task.columns)])
            if isinstance(self.task, WritesFiles):
                for suffix, content in self.task.files(answer).items():
                    self._write_beside(key, suffix, content)
        self.write_lines(lines)

    def write_lines(self, lines: list[list[str]]) -> None:
        """Add lines of the table."""
        self.write_rows(_as_lines(lines))

    def write_rows(self, rows: bytes) -> None:
        """Add lines as they are written."""
        with explained(self.path):
            self.file.write(rows)

    def _write_beside(self, key: str, suffix: str, content: bytes) -> None:
        target = self.path.parent / FILES / f"{_inner(key)}{suffix}"
        with explained(target):
            make_folders(target.parent)
        write_file(target, content)


def write_kept(path: Path, scored: Iterable[Scored]) -> None:
    """Write `path` as `open_predictions` does, from the rows that were kept."""
    parts = list(scored)
    with opened(path) as file, explained(path):
        file.write(_as_lines([["key", "split", "target", *parts[0].columns]]))
        file.writelines(each.rows for each in parts)


def _as_lines(cells: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(cells)
    return as_bytes(text.getvalue())


class _Copied:
    """A file, or nothing, whose content is held too, up to MOST bytes: None where there was more."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self.held: bytearray | None = bytearray()

    def write(self, content: bytes) -> None:
        """Add to both."""
        if self._file is not None:
            self._file.write(content)
        if self.held is not None:
            self.held += content
            self.held = self.held if len(self.held) <= MOST else None


def _inner(key: str) -> PurePath:
    """A key as a path that stays inside of a folder: those of tables may be absolute, or climb."""
    return PurePath(*(OUTER.get(part, part) for part in PurePath(key).parts))


@contextmanager
def open_predictions(path: Path, task: Task) -> Iterator[PredictionsFile]:
    """Write `path` row by row; it has its name once the block has ended without an error.

    Raises HeadstartError where it cannot be written.
    """
    with opened(path) as file:
        predictions = PredictionsFile(path, task, file)
        predictions.write_lines([["key", "split", "target", *task.columns]])
        yield predictions


def _cell(value: Any) -> str:
    value = plain(value)
    return repr(value) if isinstance(value, float) else str(value)


def score_once(
    compute: Callable[[PredictionsFile | None], Evaluation],
    task: Task,
    kept: tuple[Cache, Mapping[str, Any], Callable[[str], None]] | None,
    *,
    predictions: PredictionsFile | None = None,
) -> Evaluation:
    """What `compute` comes to, `kept` for the next time: where, as what, and who hears that it failed.

    Nothing is kept for a task that writes files beside its rows, and where there are more than MOST bytes of these.
    """
    if kept is None or isinstance(task, WritesFiles):
        return compute(predictions)
    copied = _Copied(None if predictions is None else predictions.file)
    path = Path() if predictions is None else predictions.path
    found = compute(PredictionsFile(path, task, cast("BinaryIO", copied)))
    cache, key, warn = kept
    if copied.held is not None:
        columns = tuple(task.columns)
        scored = Scored(found, task.primary_metric, task.higher_is_better, columns, bytes(copied.held))
        kept_scores.keep(cache, key, scored, warn)
    return found


@span("evaluating")
def score(
    predictor: Predictor,
    samples: Labelled,
    *,
    predictions: PredictionsFile | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Answer every sample, a batch at a time; answers are written to `predictions` as they come.

    Losses are those of `Task.loss` on the device, without what regularises. A record of several rows counts once.
    Raises DataError naming the key of a target that the task does not know.
    """
    return scores_over(predictor, samples, predictions=predictions, on_progress=on_progress).result()


def scores_over(
    predictor: Predictor,
    samples: Labelled,
    *,
    predictions: PredictionsFile | None = None,
    on_progress: OnProgress | None = None,
) -> Scores:
    """As `score`, with what the result is made of."""
    from headstart.engine.scoring import ScoredRows, Scores, by_record

    task = predictor.task
    losses, scores, done = predictor.losses(), Scores(task), 0
    for batch in predictor.answer(samples.payloads, on_progress):
        answered, rows = slice(done, done + len(batch.facts)), batch.rows
        owners = rows.owners + done
        values = samples.values(answered)
        targets = task.encode([values[of] for of in rows.owners], rows.facts, [samples.keys[of] for of in owners])
        several = owners if len(owners) > len(batch.facts) else None  # a batch holds whole records
        facts = tuple({**fact, "key": samples.keys[of]} for fact, of in zip(rows.facts, owners, strict=True))
        scored = ScoredRows(targets, rows.outputs, losses(rows, targets), facts, several)
        records = zip(values, samples.keys[answered], strict=True)
        for record in by_record(task, [scored]):
            for each in with_truth(task, record, records):
                scores.add(each)
        if predictions is not None:
            predictions.write(samples, answered, batch)
        done = answered.stop
        del batch, rows, values, records, scored, record, each  # or two batches of dense outputs are there at a time
    return scores


def score_in_tiles(
    predictor: Predictor,
    samples: Labelled,
    tiling: Tiling,
    *,
    predictions: PredictionsFile | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """As `score`, of samples that are cut into tiles and merged again by the task. There is no loss: that is of what
    the network sees at once."""
    from headstart.engine.scoring import ScoredRows, Scores

    task = predictor.task
    scores = Scores(task)
    for done, batch in enumerate(predictor.answer_in_tiles(samples.payloads, tiling, on_progress)):
        answered = slice(done, done + 1)
        values, key = samples.values(answered), samples.keys[done]
        targets = task.encode(values, batch.facts, [key])
        facts = [{**batch.facts[0], "key": key}]
        scored = ScoredRows(targets, batch.outputs, np.full(1, np.nan, np.float32), facts)
        for each in with_truth(task, scored, zip(values, [key], strict=True)):
            scores.add(each)
        if predictions is not None:
            predictions.write(samples, answered, batch)
        del batch, values, targets, scored, each
    found = scores.result()
    return replace(found, metrics={name: value for name, value in found.metrics.items() if name != "loss"})


def with_truth(task: Task, rows: ScoredRows, records: Iterable[tuple[Any, str]]) -> Iterator[ScoredRows]:
    """Rows that are a record each, as they are; of a KeepsTruth one after the other, with the truth beside its targets.

    `records` are the values and the keys of these and of later ones; as many as there are rows are taken.
    """
    if not isinstance(task, KeepsTruth):
        yield rows
        return
    for row, (value, key) in enumerate(islice(records, len(rows.losses))):
        one = rows.only(slice(row, row + 1))
        yield replace(one, targets={**one.targets, **task.truth(value, one.facts[0], key)})


def documents(evaluations: Mapping[str, Evaluation]) -> dict[str, dict[str, Any]]:
    """`metrics`, `intervals` and `report` by split, as plain values; None where a value is not finite."""
    return {
        name: {split: plain(getattr(each, name)) for split, each in evaluations.items()}
        for name in ("metrics", "intervals", "report")
    }


def why_no_test(phases: Sequence[Phase]) -> str:
    """What is to be said where a run of these phases has no test side: why, and what its figures on val are worth."""
    if not phases:
        return "no sample was held out: split.test is 0; nothing was trained in this run, and val chose nothing in it"
    chosen = {"closed_form": "the regularisation", "gradient": "the epoch"}
    what = " and ".join(dict.fromkeys(chosen[phase.solver] for phase in phases))
    said = f"no sample was held out: split.test is 0; val chose {what}, so its figures flatter"
    if not phases[-1].refit:
        return said
    return f"{said} and are of the head before it was solved again on all samples; predictions.csv has no rows"
