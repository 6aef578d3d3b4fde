"""Build target of the task `multilabel`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy import special

from headstart.calibration import expected_calibration_error, fit_temperature, stored_temperature
from headstart.engine.linear.pca import eigenbasis_of, ridge_weights
from headstart.engine.linear.rows import Rows
from headstart.errors import DataError
from headstart.specs import Batch, Evaluation, Facts, Solved, TaskRequest, TensorSpec
from headstart.suggest import suggestion
from headstart_plugins._heads.evaluators import Kept, Sums, describe_classes
from headstart_plugins._heads.labels import (
    LOGITS,
    LabelCalibrator,
    LabelTask,
    natural_order,
    shortest,
    stored_names,
)
from headstart_plugins._heads.logistic import Link, Weights, sigmoid
from headstart_plugins._target_texts import SEPARATOR
from headstart_plugins.multilabel import MultilabelOptions, _metrics
from headstart_plugins.multilabel._thresholds import (
    HALF,
    Threshold,
    choose_threshold,
    described,
    stored_thresholds,
)

LABELS = "labels"
BINS = 512
HIGHEST = 16.0
"""Logits are counted in BINS bins of equal width, 1/16, from -HIGHEST to HIGHEST; those beyond, in the outermost.

Around a half a bin is 0.016 of probability wide, and finer towards 0 and 1. Answers of one bin count as equally
probable: average precision from the histogram differs from the exact one only by their order.
"""


class MultilabelEvaluator(Kept["Multilabel"]):
    """Keeps a number a sample and label: the bootstrap and average precision want them all."""

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        self.keep(true=targets[LABELS], logits=outputs[LOGITS])

    def metrics(self) -> Mapping[str, float]:
        """`macro_average_precision`, `micro_f1`, `macro_f1` and `subset_accuracy`.

        Average precision asks no threshold; the others are at the thresholds. Macro means leave out labels that no
        sample has (and, for F1, that none was given).
        """
        logits = self["logits"]
        return _metrics.scores(self["true"], logits, self.task.given(logits))

    def result(self) -> Evaluation:
        """95 % `intervals` of all metrics by a seeded bootstrap over samples; `per_class` scores at the thresholds,
        with the threshold of each; `calibration` with `ece` over every sample and label, in 15 bins of equal width, and
        `nll`, the mean over both."""
        true, logits = self["true"], self["logits"]
        given = self.task.given(logits)
        per_class = describe_classes(self.task.classes, (true * given).sum(0), given.sum(0), true.sum(0))
        for row, threshold in zip(per_class.values(), self.task.limits, strict=True):
            row["threshold"] = float(threshold)
        calibration: dict[str, dict[str, float]] = {"ece": {}, "nll": {}}
        for place, temperature in (("before", 1.0), ("after", self.task.temperature or 1.0)):
            scaled = logits.astype(np.float64) / temperature
            calibration["ece"][place] = expected_calibration_error(special.expit(scaled).ravel(), true.ravel())
            calibration["nll"][place] = _metrics.mean_loss(true, scaled)
        return Evaluation(
            metrics=_metrics.scores(true, logits, given),
            intervals=_metrics.intervals(true, logits, given),
            report={"per_class": per_class, "class_figure": "f1"},
            calibration=calibration,
        )


class RunningMultilabelEvaluator(Sums["Multilabel"]):
    """The same metrics from counts, and average precision from a histogram of each label's logits: BINS x 2 counts a
    label."""

    def __init__(self, task: Multilabel) -> None:
        labels = len(task.classes)
        super().__init__(
            task,
            {
                "histogram": np.zeros((labels, BINS, 2), np.int64),
                "hits": np.zeros(labels),
                "given": np.zeros(labels),
                "true": np.zeros(labels),
                "same": np.zeros(1),
                "rows": np.zeros(1),
            },
        )

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        true, logits = targets[LABELS], outputs[LOGITS].astype(np.float64)
        given, sums = self.task.given(outputs[LOGITS]), self.sums
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


STEEPEST = 4.0
"""What a logit changes where a probability of a half changes by 1."""
RAREST = 1e-4


def build(request: TaskRequest) -> Multilabel:
    """The task bound to the labels of `request`. Raises DataError where there are none."""
    options: MultilabelOptions = request.options
    stored = request.labels
    if stored is None:
        found = {label for target in request.targets or () for label in target}
        if not found:
            raise DataError("no sample has any label", hint="check the column that holds the labels")
        labels = tuple(sorted(found, key=natural_order))
    else:
        labels = stored_names(stored, fewest=1)
    task = Multilabel(labels, options.label_smoothing, dropout=options.dropout)
    return task if stored is None else task.calibrated(stored)


@dataclass(frozen=True)
class Multilabel(LabelTask):
    """Several labels a sample, of `classes`; fulfils `headstart.specs.Task`, MixesTargets, SolvesHead and Calibrates.

    Targets are "labels" (batch, label) float32, 0 or 1, mixed ones between; the one output is "logits" (batch, label)
    float32. A probability is sigmoid(logit / temperature), without a temperature 1; a label is given from its threshold
    on, 0.5 before val was asked.
    """

    target: ClassVar[str] = LABELS
    thresholds: tuple[Threshold, ...] = ()
    primary_metric: str = "macro_average_precision"

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

    def encode(
        self, values: Sequence[Sequence[str]], facts: Sequence[Facts], keys: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Names of labels to "labels" (batch, label) float32, 1 where the label is given, else 0. Raises DataError
        naming the key of a sample with an unknown one."""
        index = {name: position for position, name in enumerate(self.classes)}
        encoded = np.zeros((len(values), len(self.classes)), np.float32)
        for row, (names, key) in enumerate(zip(values, keys, strict=True)):
            for name in names:
                if name not in index:
                    raise DataError(
                        f"{key}: label {name!r} is none of the {len(self.classes)} known labels",
                        hint=suggestion(name, self.classes),
                    )
                encoded[row, index[name]] = 1.0
        return {LABELS: encoded}

    def values(self, targets: Batch) -> np.ndarray:
        """(row, label) float64, 0 or 1."""
        return targets[LABELS].astype(np.float64)

    def loss(self, targets: Mapping[str, Any], outputs: Mapping[str, Any], *, training: bool) -> Any:
        """Sigmoid cross-entropy in nats, the mean over labels of log(1 + exp(logit)) - target * logit: (batch,) float32
        tensor. In training, `label_smoothing` moves each target so far towards a half."""
        import keras

        logits = keras.ops.cast(outputs[LOGITS], "float32")
        wanted = keras.ops.cast(targets[LABELS], "float32")
        if training and self.label_smoothing:
            wanted = wanted * (1.0 - self.label_smoothing) + self.label_smoothing / 2.0
        return keras.ops.mean(keras.ops.softplus(logits) - wanted * logits, axis=-1)

    @property
    def link(self) -> Link:
        """The sum over labels of what each label's own regression would minimise."""
        return sigmoid

    def solve(self, rows: Rows, strengths: Sequence[float]) -> Iterator[Solved]:
        """Logistic regressions, one a label, for each strength, strongest first; the first starts from the ridge of its
        strength. Raises DataError where a feature is not finite."""
        path = sorted(set(strengths), reverse=True)
        spectrum = eigenbasis_of(rows, self.values)
        shares = np.clip(spectrum.target_mean, RAREST, 1 - RAREST)
        start = Weights(STEEPEST * ridge_weights(spectrum, path[0]), special.logit(shares))
        return self.regressions(rows, spectrum, start, path)

    def solve_again(self, rows: Rows, solved: Solved) -> Solved:
        """The same strength on `rows`, starting from what was solved. Raises DataError as `solve` does."""
        spectrum = eigenbasis_of(rows, self.values)
        start = Weights(*spectrum.unfold(solved.weights["kernel"], solved.weights["bias"]))
        (again,) = self.regressions(rows, spectrum, start, (solved.strength,))
        return again

    def evaluator(self, *, running: bool = False) -> MultilabelEvaluator | RunningMultilabelEvaluator:
        """See `MultilabelEvaluator` and `RunningMultilabelEvaluator`."""
        return RunningMultilabelEvaluator(self) if running else MultilabelEvaluator(self)

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
        return MultilabelCalibrator(self)

    def calibrated(self, found: Mapping[str, Any]) -> Multilabel:
        """See Calibrates: with the temperature and the thresholds that were found."""
        temperature, thresholds = stored_temperature(found), stored_thresholds(found, self.classes)
        return replace(self, temperature=temperature, thresholds=thresholds)

    def decode(self, outputs: Batch, facts: Sequence[Facts], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`prediction`, the labels that are given, joined by "|", and the `top_k` most probable, best first."""
        probability = self.probabilities(outputs[LOGITS])
        names = np.array(self.classes, object)
        best = self.most_probable(outputs[LOGITS], probability, top_k)
        return [
            {"prediction": SEPARATOR.join(names[given]), "top_k": top}
            for given, top in zip(probability >= self.limits, best, strict=True)
        ]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Of (batch, label) logits: float64 that prints as the shortest float32 decimal."""
        return shortest(special.expit(logits.astype(np.float64) / (self.temperature or 1.0)))

    def given(self, logits: np.ndarray) -> np.ndarray:
        """Which labels are given (batch, label) float64, 0 or 1."""
        return (self.probabilities(logits) >= self.limits).astype(np.float64)

    @property
    def limits(self) -> np.ndarray:
        """The threshold of each label (label,)."""
        if not self.thresholds:
            return np.full(len(self.classes), HALF)
        return np.array([each.threshold for each in self.thresholds])


class MultilabelCalibrator(LabelCalibrator[Multilabel]):
    """One temperature for all labels (Guo et al. 2017, arXiv:1706.04599), of the least cross-entropy, then a threshold
    for each, of the greatest F1."""

    def found(self) -> Mapping[str, Any]:
        """`temperature`, and `thresholds` by label."""
        true, logits = self["true"], self["logits"]
        wide = logits.astype(np.float64)
        temperature = fit_temperature(lambda each: _metrics.mean_loss(true, wide / each))
        probability = replace(self.task, temperature=temperature).probabilities(logits)
        thresholds = tuple(choose_threshold(*columns) for columns in zip(true.T, probability.T, strict=True))
        return {"temperature": temperature, "thresholds": described(self.task.classes, thresholds)}
