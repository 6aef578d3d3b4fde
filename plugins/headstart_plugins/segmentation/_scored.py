"""What was answered beside what is true, for metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.specs import Batch, Evaluation, Facts
from headstart_plugins.segmentation._calibrate import Honesty
from headstart_plugins.segmentation._evaluate import MaskScores, confusions, counts_of, scores_of
from headstart_plugins.segmentation._head import LOGITS
from headstart_plugins.segmentation._resize import Grid, most_likely
from headstart_plugins.segmentation._tiles import MASK

TRUTH = "truth_mask"
"""The mask of one record at the size of its picture, (1, height, width) uint8, beside the encoded ones."""


@dataclass
class SegmentationEvaluator:
    """Scores pictures at the size that they came in where their truth is there, else in pixels of the input, `size`
    (height, width)."""

    scores: MaskScores
    size: tuple[int, int]
    honesty: Honesty | None = None

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        whole = targets.get(TRUTH)
        masks = targets["mask"] if whole is None else whole
        for row, (truth, fact) in enumerate(zip(masks, facts, strict=True)):
            key = fact.get("key", "")
            if MASK in outputs:
                self.scores.add(truth, outputs[MASK][row], key)
                continue
            logits = outputs[LOGITS][row]
            cells = logits.shape[:2]
            grid = Grid.of_input(self.size, cells) if whole is None else Grid.of_picture(fact, cells)
            self.scores.add(truth, most_likely(logits, grid), key)
            if self.honesty is not None:
                self.honesty.add(truth, logits, grid)

    def merge(self, other: Any) -> None:
        """See `headstart.specs.Evaluator`."""
        self.scores.merge(other.scores)
        if self.honesty is not None:
            self.honesty.merge(other.honesty)

    def metrics(self) -> Mapping[str, float]:
        """Those of `MaskScores`."""
        return self.scores.metrics()

    def resampled(self) -> Mapping[str, np.ndarray]:
        """Those of `MaskScores`."""
        return self.scores.resampled()

    def result(self) -> Evaluation:
        """That of `MaskScores`, and how honest probabilities are where a temperature is known."""
        found = self.scores.result()
        return found if self.honesty is None else replace(found, calibration=self.honesty.described())


class CellEvaluator:
    """See `headstart.specs.RunningEvaluator`: counts pixels by true and found class at the centres of the cells that a
    head answers in. To bring each answer to all pixels, at every step, would take as long as the step."""

    def __init__(self, classes: int) -> None:
        self._confusion = np.zeros((classes, classes), np.int64)

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        masks, logits = targets["mask"], outputs[LOGITS]
        rows, columns = (
            ((np.arange(cells) + 0.5) * pixels / cells).astype(np.int64)
            for pixels, cells in zip(masks.shape[1:], logits.shape[1:3], strict=True)
        )
        self._confusion += confusions(masks[:, rows[:, None], columns], logits.argmax(axis=-1), len(self._confusion))

    def merge(self, other: Any) -> None:
        """See `headstart.specs.Evaluator`."""
        self._confusion += other._confusion

    def metrics(self) -> Mapping[str, float]:
        """`miou` and `pixel_accuracy` as `scores_of` has them, of these pixels."""
        found = scores_of(counts_of(self._confusion))
        return {name: float(found[name]) for name in ("miou", "pixel_accuracy")}

    def result(self) -> Evaluation:
        """The metrics."""
        return Evaluation(self.metrics())

    def state(self) -> Mapping[str, np.ndarray]:
        """The one matrix."""
        return {"confusion": self._confusion.copy()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` gave."""
        self._confusion = np.array(state["confusion"], np.int64)
