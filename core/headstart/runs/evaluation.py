"""Score samples through the Predictor, in one pass that keeps no outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.predictor import Predictor
    from headstart.runs.predictions import PredictionsFile
    from headstart.specs import Evaluation, TargetKind

OnProgress = Callable[[int, int], None]
"""Hears how many samples are answered, of how many."""


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
    from headstart.engine.scoring import Scores

    task = predictor.task
    losses, scores, done = predictor.losses(), Scores(task), 0
    for batch in predictor.answer(samples.payloads, on_progress):
        answered, rows = slice(done, done + len(batch.facts)), batch.rows
        owners = rows.owners + done
        values = samples.values(answered)
        targets = task.encode([values[of] for of in rows.owners], rows.facts, [samples.keys[of] for of in owners])
        scores.update(targets, rows.outputs, losses(rows, targets), facts=rows.facts, owners=owners)
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


def plain(value: Any) -> Any:
    """Plain Python values for JSON; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
