"""Build target of the task `multilabel`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.calibration import fit_temperature, stored_temperature
from headstart.specs import Facts, Solved, TaskRequest, TensorSpec
from headstart_plugins._heads.evaluators import Kept
from headstart_plugins._heads.task import LOGITS, LinearHeadTask
from headstart_plugins._target_texts import SEPARATOR
from headstart_plugins.multilabel import MultilabelOptions, _labels, _metrics
from headstart_plugins.multilabel._evaluator import LABELS, MultilabelEvaluator, RunningMultilabelEvaluator
from headstart_plugins.multilabel._solve import solve_again, solve_heads
from headstart_plugins.multilabel._thresholds import (
    HALF,
    Threshold,
    choose_threshold,
    described,
    stored_thresholds,
)

if TYPE_CHECKING:
    from headstart.engine.linear.rows import Rows
    from headstart.specs.tasks import Batch


def build(request: TaskRequest) -> Multilabel:
    """The task bound to the labels of `request`. Raises DataError where there are none."""
    options: MultilabelOptions = request.options
    stored = request.labels
    if stored is None:
        labels = _labels.labels_among(request.targets or ())
        return Multilabel(labels, options.label_smoothing, dropout=options.dropout)
    labels = _labels.stored_labels(stored)
    return Multilabel(
        labels,
        options.label_smoothing,
        dropout=options.dropout,
        temperature=stored_temperature(stored),
        thresholds=stored_thresholds(stored, labels),
    )


@dataclass(frozen=True)
class Multilabel(LinearHeadTask):
    """Several labels a sample, of `classes`; fulfils `headstart.specs.Task`, MixesTargets, SolvesHead and Calibrates.

    Targets are "labels" (batch, label) float32, 0 or 1, mixed ones between; the one output is "logits" (batch, label)
    float32. A probability is sigmoid(logit / temperature), without a temperature 1; a label is given from its threshold
    on, 0.5 before val was asked.
    """

    classes: tuple[str, ...]
    label_smoothing: float = 0.0
    temperature: float | None = None
    thresholds: tuple[Threshold, ...] = ()
    primary_metric: str = "macro_average_precision"
    higher_is_better: bool = True

    @property
    def units(self) -> int:
        """A logit a label."""
        return len(self.classes)

    @property
    def targets(self) -> Mapping[str, TensorSpec]:
        """Which labels there are."""
        return {LABELS: TensorSpec((len(self.classes),), "float32")}

    @property
    def columns(self) -> tuple[str, ...]:
        """`prediction`, then `p:LABEL` for each label."""
        return ("prediction", *(f"p:{name}" for name in self.classes))

    def labels(self) -> Mapping[str, Any]:
        """The labels' names, in the order of the logits; temperature and thresholds once val was asked."""
        return {
            "classes": list(self.classes),
            **({"temperature": self.temperature} if self.temperature is not None else {}),
            **({"thresholds": described(self.classes, self.thresholds)} if self.thresholds else {}),
        }

    def summary(self) -> Mapping[str, Any]:
        """The labels as `classes`, in the order of the logits."""
        return {"classes": list(self.classes)}

    def encode(
        self, values: Sequence[Sequence[str]], facts: Sequence[Facts], keys: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Names of labels to "labels" (batch, label) float32. Raises DataError naming the key of a sample with an
        unknown one."""
        return {LABELS: _labels.encode(self.classes, values, keys)}

    def loss(self, targets: Mapping[str, Any], outputs: Mapping[str, Any], *, training: bool) -> Any:
        """Sigmoid cross-entropy in nats, the mean over labels, in training smoothed: (batch,) float32 tensor."""
        from headstart_plugins.multilabel._loss import cross_entropy

        return cross_entropy(targets[LABELS], outputs, smoothing=self.label_smoothing if training else 0.0)

    def solve(self, rows: Rows, strengths: Sequence[float]) -> Iterable[Solved]:
        """Logistic regressions, one a label; see `solve_heads`. Raises DataError where a feature is not finite."""
        return solve_heads(rows, strengths)

    def solve_again(self, rows: Rows, solved: Solved) -> Solved:
        """The same strength on `rows`. Raises DataError as `solve` does."""
        return solve_again(rows, solved)

    def evaluator(self, *, running: bool = False) -> MultilabelEvaluator | RunningMultilabelEvaluator:
        """See `MultilabelEvaluator` and `RunningMultilabelEvaluator`."""
        kind = RunningMultilabelEvaluator if running else MultilabelEvaluator
        return kind(self.classes, self._limits(), self.temperature)

    def baseline(self, train: Batch, test: Batch) -> Mapping[str, float]:
        """`prior_macro_average_precision`: the same answer to all; `majority_subset_accuracy`: the labels that occur
        together most often in `train` as the answer to all."""
        true = test[LABELS]
        there = true.any(axis=0)
        sets, counts = np.unique(train[LABELS], axis=0, return_counts=True)
        commonest = sets[np.argmax(counts)]
        return {
            "prior_macro_average_precision": float(true.mean(axis=0)[there].mean()) if there.any() else 0.0,
            "majority_subset_accuracy": float(np.mean(np.all(true == commonest, axis=1))),
        }

    def calibrator(self) -> MultilabelCalibrator:
        """See Calibrates."""
        return MultilabelCalibrator(self.classes)

    def calibrated(self, found: Mapping[str, Any]) -> Multilabel:
        """See Calibrates: with the temperature and the thresholds that were found."""
        thresholds = stored_thresholds(found, self.classes)
        return replace(self, temperature=stored_temperature(found), thresholds=thresholds)

    def decode(self, outputs: Batch, facts: Sequence[Facts], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`prediction`, the labels that are given, joined by "|", and the `top_k` most probable, best first."""
        logits = outputs[LOGITS]
        ranked = np.argsort(-logits, axis=1, kind="stable")[:, : max(1, top_k)]
        probability = _metrics.probabilities(logits, self.temperature)
        names, limits = np.array(self.classes, object), self._limits()
        rows = []
        for order, values in zip(ranked, probability, strict=True):
            best = [{"label": self.classes[index], "probability": float(values[index])} for index in order]
            rows.append({"prediction": SEPARATOR.join(names[values >= limits]), "top_k": best})
        return rows

    def rows(self, answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        """One row."""
        named = {f"p:{each['label']}": each["probability"] for each in answer["top_k"]}
        return [{"prediction": answer["prediction"], **named}]

    def _limits(self) -> np.ndarray:
        """The threshold of each label (label,)."""
        if not self.thresholds:
            return np.full(len(self.classes), HALF)
        return np.array([each.threshold for each in self.thresholds])


class MultilabelCalibrator:
    """Keeps the logits of val: one temperature for all labels (Guo et al. 2017, arXiv:1706.04599), of the least
    cross-entropy, then a threshold for each, of the greatest F1."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes, self._kept = classes, Kept()

    def update(self, targets: Batch, outputs: Batch) -> None:
        """See `headstart.specs.Calibrator`."""
        self._kept.keep(true=targets[LABELS], logits=outputs[LOGITS])

    def found(self) -> Mapping[str, Any]:
        """`temperature`, and `thresholds` by label."""
        true, logits = self._kept["true"], self._kept["logits"]
        wide = logits.astype(np.float64)
        temperature = fit_temperature(lambda each: _metrics.mean_loss(true, wide / each))
        probability = _metrics.probabilities(logits, temperature)
        thresholds = tuple(choose_threshold(*columns) for columns in zip(true.T, probability.T, strict=True))
        return {"temperature": temperature, "thresholds": described(self._classes, thresholds)}
