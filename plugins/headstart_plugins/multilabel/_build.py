"""Build target of the task `multilabel`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from headstart.calibration import expected_calibration_error, fit_temperature, stored_temperature
from headstart.engine.linear.pca import EigenBasis, eigenbasis_of
from headstart.engine.linear.ridge import ridge_weights
from headstart.engine.linear.rows import Rows
from headstart.errors import DataError
from headstart.specs import Evaluation, Facts, Solved, TaskRequest, TensorSpec
from headstart.specs.tasks import Batch
from headstart.suggest import suggestion
from headstart_plugins._heads.evaluators import Kept, Sums
from headstart_plugins._heads.links import Sigmoid
from headstart_plugins._heads.logistic import Weights, fit_logistic, make_design
from headstart_plugins._heads.paths import regressions
from headstart_plugins._heads.task import LOGITS, LinearHeadTask
from headstart_plugins._label_names import natural_order, stored_names
from headstart_plugins._target_texts import SEPARATOR
from headstart_plugins.multilabel import MultilabelOptions, _metrics
from headstart_plugins.multilabel._thresholds import (
    HALF,
    Threshold,
    choose_threshold,
    described,
    stored_thresholds,
)


def encode(labels: Sequence[str], targets: Sequence[Sequence[str]], keys: Sequence[str]) -> np.ndarray:
    """The labels of each sample to (batch, label) float32, 1 where the label is given, else 0.

    Raises DataError naming the key of a sample with a label that is not known.
    """
    index = {name: position for position, name in enumerate(labels)}
    encoded = np.zeros((len(targets), len(labels)), np.float32)
    for row, (target, key) in enumerate(zip(targets, keys, strict=True)):
        for name in target:
            if name not in index:
                raise DataError(
                    f"{key}: label {name!r} is none of the {len(labels)} known labels", hint=suggestion(name, labels)
                )
            encoded[row, index[name]] = 1.0
    return encoded


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


LOGISTIC = "logistic"
STEEPEST = 4.0
"""What a logit changes where a probability of a half changes by 1."""
RAREST = 1e-4


def solve_heads(rows: Rows, strengths: Sequence[float]) -> Iterator[Solved]:
    """Regressions for each strength, strongest first; the first starts from the ridge of its strength.

    The objective is the sum over labels of what each label's own regression would minimise.
    """
    path = sorted(set(strengths), reverse=True)
    spectrum = eigenbasis_of(rows, _values)
    shares = np.clip(spectrum.target_mean, RAREST, 1 - RAREST)
    start = Weights(STEEPEST * ridge_weights(spectrum, path[0]), special.logit(shares))
    for strength, found in regressions(make_design(rows, rows.targets["labels"], spectrum, Sigmoid()), start, path):
        yield _solved(strength, found, spectrum)


def solve_again(rows: Rows, solved: Solved) -> Solved:
    """The same strength on other rows, starting from what was solved."""
    spectrum = eigenbasis_of(rows, _values)
    start = Weights(*spectrum.unfold(solved.weights["kernel"], solved.weights["bias"]))
    found = fit_logistic(make_design(rows, rows.targets["labels"], spectrum, Sigmoid()), start, solved.strength)
    return _solved(solved.strength, found, spectrum)


def _values(targets: Batch) -> np.ndarray:
    return targets["labels"].astype(np.float64)


def _solved(strength: float, weights: Weights, spectrum: EigenBasis) -> Solved:
    kernel, bias = spectrum.fold(weights.kernel, weights.bias)
    return Solved(LOGISTIC, strength, {"kernel": kernel, "bias": bias})


def build(request: TaskRequest) -> Multilabel:
    """The task bound to the labels of `request`. Raises DataError where there are none."""
    options: MultilabelOptions = request.options
    stored = request.labels
    if stored is None:
        targets = request.targets or ()
        found = {label for target in targets for label in target}
        if not found:
            raise DataError("no sample has any label", hint="check the column that holds the labels")
        labels = tuple(sorted(found, key=natural_order))
        return Multilabel(labels, options.label_smoothing, dropout=options.dropout)
    labels = stored_names(stored, fewest=1)
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
        return {LABELS: encode(self.classes, values, keys)}

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
