"""Score samples through the Predictor, in one pass that keeps no outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headstart.documents import plain
from headstart.runs.predictions import Labelled, PredictionsFile

if TYPE_CHECKING:
    from headstart.predictor import Predictor
    from headstart.specs import Evaluation

OnProgress = Callable[[int, int], None]
"""Hears how many samples are answered, of how many."""


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
    from headstart.engine.scoring import ScoredRows, Scores, by_record

    task = predictor.task
    losses, scores, done = predictor.losses(), Scores(task), 0
    for batch in predictor.answer(samples.payloads, on_progress):
        answered, rows = slice(done, done + len(batch.facts)), batch.rows
        owners = rows.owners + done
        values = samples.values(answered)
        targets = task.encode([values[of] for of in rows.owners], rows.facts, [samples.keys[of] for of in owners])
        several = owners if len(owners) > len(batch.facts) else None  # a batch holds whole records
        scored = ScoredRows(targets, rows.outputs, losses(rows, targets), rows.facts, several)
        for record in by_record(task, [scored]):
            scores.add(record)
        if predictions is not None:
            predictions.write(samples, answered, batch)
        done = answered.stop
    return scores.result()


def documents(evaluations: Mapping[str, Evaluation]) -> dict[str, dict[str, Any]]:
    """`metrics`, `intervals` and `report` by split, as plain values; None where a value is not finite."""
    return {
        name: {split: plain(getattr(each, name)) for split, each in evaluations.items()}
        for name in ("metrics", "intervals", "report")
    }
