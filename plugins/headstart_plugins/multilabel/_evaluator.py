"""Scores of several labels a sample: of rows that are kept, or, while training, from counts of constant size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from headstart.calibration import expected_calibration_error
from headstart.specs import Evaluation, Facts
from headstart_plugins._heads.evaluators import Kept, Sums
from headstart_plugins._heads.task import LOGITS
from headstart_plugins.multilabel import _metrics

if TYPE_CHECKING:
    from headstart.specs.tasks import Batch

LABELS = "labels"
BINS = 512
HIGHEST = 16.0
"""Logits are counted in BINS bins of equal width, 1/16, from -HIGHEST to HIGHEST; those beyond, in the outermost.

Around a half a bin is 0.016 of probability wide, and finer towards 0 and 1. Answers of one bin count as equally
probable: average precision from the histogram differs from the exact one only by their order.
"""


class _Limits:
    """From which probability on a label is given, and the temperature that probabilities are taken at."""

    def __init__(self, classes: Sequence[str], thresholds: np.ndarray, temperature: float | None) -> None:
        self.classes, self.thresholds, self.temperature = classes, thresholds, temperature

    def given(self, logits: np.ndarray) -> np.ndarray:
        """Which labels are given (batch, label) float64, 0 or 1."""
        given: np.ndarray = _metrics.probabilities(logits, self.temperature) >= self.thresholds
        return given.astype(np.float64)


class MultilabelEvaluator(Kept):
    """Keeps a number a sample and label: the bootstrap and average precision want them all."""

    def __init__(self, classes: Sequence[str], thresholds: np.ndarray, temperature: float | None = None) -> None:
        super().__init__()
        self._limits = _Limits(classes, thresholds, temperature)

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        self.keep(true=targets[LABELS], logits=outputs[LOGITS])

    def metrics(self) -> Mapping[str, float]:
        """`macro_average_precision`, `micro_f1`, `macro_f1` and `subset_accuracy`.

        Average precision asks no threshold; the others are at the thresholds. Macro means leave out labels that no
        sample has (and, for F1, that none was given).
        """
        logits = self["logits"]
        return _metrics.scores(self["true"], logits, self._limits.given(logits))

    def result(self) -> Evaluation:
        """95 % `intervals` of all metrics by a seeded bootstrap over samples; `per_class` scores at the thresholds,
        with the threshold of each; `calibration` with `ece` over every sample and label, in 15 bins of equal width, and
        `nll`, the mean over both."""
        true, logits = self["true"], self["logits"]
        given = self._limits.given(logits)
        before, after = (self._honesty(true, logits, each) for each in (None, self._limits.temperature))
        return Evaluation(
            metrics=_metrics.scores(true, logits, given),
            intervals=_metrics.intervals(true, logits, given),
            report={"per_class": self._per_class(true, given)},
            calibration={name: {"before": before[name], "after": after[name]} for name in before},
        )

    def _per_class(self, true: np.ndarray, given: np.ndarray) -> dict[str, dict[str, Any]]:
        hits, predicted, support = (true * given).sum(0), given.sum(0), true.sum(0)

        def ratio(part: float, whole: float) -> float | None:
            return float(part / whole) if whole else None

        return {
            name: {
                "precision": ratio(hits[index], predicted[index]),
                "recall": ratio(hits[index], support[index]),
                "f1": ratio(2 * hits[index], predicted[index] + support[index]),
                "support": int(support[index]),
                "threshold": float(self._limits.thresholds[index]),
            }
            for index, name in enumerate(self._limits.classes)
        }

    @staticmethod
    def _honesty(true: np.ndarray, logits: np.ndarray, temperature: float | None) -> dict[str, float]:
        scaled = logits.astype(np.float64) / (temperature or 1.0)
        return {
            "ece": expected_calibration_error(special.expit(scaled).ravel(), true.ravel()),
            "nll": _metrics.mean_loss(true, scaled),
        }


class RunningMultilabelEvaluator(Sums):
    """The same metrics from counts, and average precision from a histogram of each label's logits: BINS x 2 counts a
    label."""

    def __init__(self, classes: Sequence[str], thresholds: np.ndarray, temperature: float | None = None) -> None:
        labels = len(classes)
        self._limits = _Limits(classes, thresholds, temperature)
        super().__init__(
            {
                "histogram": np.zeros((labels, BINS, 2), np.int64),
                "hits": np.zeros(labels),
                "given": np.zeros(labels),
                "true": np.zeros(labels),
                "same": np.zeros(1),
                "rows": np.zeros(1),
            }
        )

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        true, logits = targets[LABELS], outputs[LOGITS].astype(np.float64)
        given, sums = self._limits.given(outputs[LOGITS]), self.sums
        place = np.nan_to_num((logits + HIGHEST) * (BINS / (2 * HIGHEST))).clip(0, BINS - 1).astype(np.int64)
        np.add.at(sums["histogram"], (np.arange(true.shape[1]), place, true.astype(np.int64)), 1)
        sums["hits"] += (true * given).sum(axis=0)
        sums["given"] += given.sum(axis=0)
        sums["true"] += true.sum(axis=0)
        sums["same"] += np.all(true == given, axis=1).sum()
        sums["rows"] += len(true)

    def metrics(self) -> Mapping[str, float]:
        """As those of MultilabelEvaluator; average precision as exact as the histogram is."""
        sums = self.sums
        ranked = sums["histogram"][:, ::-1]
        precisions = _metrics.precision_of_ranks(ranked[:, :, 1].cumsum(axis=1), ranked.sum(axis=2).cumsum(axis=1))
        hits, given, true = (sums[name][None] for name in ("hits", "given", "true"))
        found = _metrics.scores_of_counts(precisions[None], hits, given, true, same=sums["same"] / sums["rows"])
        return {name: float(values[0]) for name, values in found.items()}

    def result(self) -> Evaluation:
        """The metrics."""
        return Evaluation(self.metrics())
