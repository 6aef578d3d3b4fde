"""Scores of single-label predictions from counts and sums, whose size does not grow with the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from headstart.calibration import BINS, bins_of
from headstart.specs import Evaluation, Facts
from headstart_plugins._heads.evaluators import Sums
from headstart_plugins._heads.task import LOGITS
from headstart_plugins.classification import _metrics
from headstart_plugins.classification._balance import Balance

if TYPE_CHECKING:
    from headstart.specs.tasks import Batch

CLASS = "class"
BEFORE_AFTER = ("before", "after")
"""Without the temperature, and with it."""


class ClassificationEvaluator(Sums):
    """Counts by class, and sums of losses. One that is `running` has no confusion matrix and nothing about calibration:
    3 counts and a sum a class instead of (class, class).

    All sums that samples may be weighed in are kept by class: a weight is a function of the class alone.
    """

    def __init__(
        self, classes: Sequence[str], balance: Balance, temperature: float | None = None, *, running: bool = False
    ) -> None:
        self._classes, self._balance, self._temperature, self._running = classes, balance, temperature, running
        count = len(classes)
        sums = {
            "correct": np.zeros(count, np.int64),
            "true": np.zeros(count, np.int64),
            "predicted": np.zeros(count, np.int64),
            "among_five": np.zeros(1, np.int64),
            "losses": np.zeros(count),
        }
        if not running:
            sums |= {
                "confusions": np.zeros((count, count), np.int64),
                "likelihoods": np.zeros((2, count)),
                "gaps": np.zeros((2, count, BINS)),
            }
        super().__init__(sums)

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        true, logits, sums = targets[CLASS], outputs[LOGITS], self.sums
        predicted = np.argmax(logits, axis=1)
        np.add.at(sums["true"], true, 1)
        np.add.at(sums["predicted"], predicted, 1)
        np.add.at(sums["correct"], true[true == predicted], 1)
        np.add.at(sums["losses"], true, losses.astype(np.float64))
        if len(self._classes) >= _metrics.TOP5_FROM:
            sums["among_five"] += int(_metrics.is_among_top(true, logits, 5).sum())
        if self._running:
            return
        np.add.at(sums["confusions"], (true, predicted), 1)
        for place, temperature in enumerate((1.0, self._temperature or 1.0)):
            scaled = logits.astype(np.float64) / temperature
            logs, sure = special.log_softmax(scaled, axis=1), special.softmax(scaled, axis=1).max(axis=1)
            np.add.at(sums["likelihoods"][place], true, -logs[np.arange(len(true)), true])
            np.add.at(sums["gaps"][place], (true, bins_of(sure)), sure - (predicted == true))

    def metrics(self) -> Mapping[str, float]:
        """`accuracy`, `macro_f1`, `balanced_accuracy`, `top5_accuracy` from six classes on; where samples are weighed
        or repeated, `loss` too, that of classes that all weigh the same."""
        sums = self.sums
        correct, true, predicted = sums["correct"], sums["true"], sums["predicted"]
        values = {} if self._balance.even is None else {"loss": float(self._weighed(sums["losses"]))}
        values |= {
            "accuracy": float(correct.sum() / true.sum()),
            "macro_f1": _metrics.macro_f1(correct, true, predicted),
            "balanced_accuracy": _metrics.balanced_accuracy(correct, true),
        }
        if len(self._classes) >= _metrics.TOP5_FROM:
            values["top5_accuracy"] = float(sums["among_five"][0] / true.sum())
        return values

    def result(self) -> Evaluation:
        """95 % `intervals`: Wilson for `accuracy`, seeded stratified bootstrap for `macro_f1`, `balanced_accuracy`.

        The `report` has `confusion_matrix` (rows true, columns predicted, as in `classes`) and `per_class` scores. In
        `calibration`, `ece` is that of the answer given, over 15 bins of equal width, and `nll` is in nats; samples are
        weighed so that classes have the shares that answers are for.
        """
        if self._running:
            return Evaluation(self.metrics())
        counts = self.sums["confusions"]
        accuracy = _metrics.wilson_interval(int(np.trace(counts)), int(counts.sum()))
        return Evaluation(
            metrics=self.metrics(),
            intervals={"accuracy": accuracy, **_metrics.bootstrap_intervals(counts)},
            report={
                "confusion_matrix": counts.tolist(),
                "per_class": _metrics.describe_classes(counts, self._classes),
            },
            calibration=self._calibration(),
        )

    def _calibration(self) -> dict[str, Any]:
        gaps = (np.abs(self._weighed(each.T)).sum() for each in self.sums["gaps"])
        likelihoods = (self._weighed(each) for each in self.sums["likelihoods"])
        return {
            name: dict(zip(BEFORE_AFTER, map(float, found), strict=True))
            for name, found in (("ece", gaps), ("nll", likelihoods))
        }

    def _weighed(self, sums: np.ndarray) -> np.ndarray:
        """The mean over samples of `sums` (..., class), weighed as `Balance.sample_weights` does: (...)."""
        true, shares = self.sums["true"], self._balance.shares
        if shares is None:
            plain: np.ndarray = sums.sum(axis=-1) / true.sum()
            return plain
        mean: np.ndarray = (sums / np.maximum(true, 1)) @ shares / shares[true > 0].sum()
        return mean
