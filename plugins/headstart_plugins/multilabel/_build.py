"""Build target of the task `multilabel`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from headstart.calibration import expected_calibration_error, fit_temperature, stored_temperature
from headstart.specs import SEPARATOR, Solved, TaskRequest
from headstart_plugins.multilabel import MultilabelOptions, _labels, _metrics
from headstart_plugins.multilabel._thresholds import (
    HALF,
    Threshold,
    choose_threshold,
    described,
    stored_thresholds,
)

if TYPE_CHECKING:
    import keras

    from headstart.engine.linear.rows import Rows

LOGITS = "logits"


def build(request: TaskRequest) -> Multilabel:
    """The task bound to the labels of `request`. Raises DataError where there are none."""
    options: MultilabelOptions = request.options
    stored = request.labels
    if stored is None:
        labels = _labels.labels_among(request.targets or ())
        return Multilabel(labels, options.dropout, options.label_smoothing)
    labels = _labels.stored_labels(stored)
    return Multilabel(
        labels,
        options.dropout,
        options.label_smoothing,
        temperature=stored_temperature(stored),
        thresholds=stored_thresholds(stored, labels),
    )


@dataclass(frozen=True)
class Multilabel:
    """Several labels a sample, of `classes`; fulfils `headstart.specs.Task` and Calibrates.

    Targets are (batch, label) float32, 0 or 1, mixed ones between; the one output is "logits" (batch, label) float32.
    A probability is sigmoid(logit / temperature), without a temperature 1; a label is given from its threshold on,
    0.5 before val was asked.
    """

    classes: tuple[str, ...]
    dropout: float = 0.0
    label_smoothing: float = 0.0
    temperature: float | None = None
    thresholds: tuple[Threshold, ...] = ()
    features: tuple[str, ...] = ("pooled",)
    primary_metric: str = "macro_average_precision"
    higher_is_better: bool = True

    def labels(self) -> Mapping[str, Any]:
        """The labels' names, in the order of the logits; temperature and thresholds once val was asked."""
        return {
            "classes": list(self.classes),
            **({"temperature": self.temperature} if self.temperature is not None else {}),
            **({"thresholds": described(self.classes, self.thresholds)} if self.thresholds else {}),
        }

    def encode(self, targets: Sequence[str], keys: Sequence[str]) -> np.ndarray:
        """Targets to (batch, label) float32. Raises DataError naming the key of a sample with an unknown label."""
        return _labels.encode(self.classes, targets, keys)

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """A model {"pooled": (None, channel)} -> {"logits": (None, label)}: "linear", "mlp" or "mlp:512".

        Raises UsageError for a name it does not know or a feature of another shape.
        """
        from headstart_plugins._heads.networks import build_head, plan_head

        return build_head(plan_head(name, self.dropout, units=len(self.classes)), features, seed=seed)

    def loss(self, targets: Any, outputs: Mapping[str, Any]) -> Any:
        """Sigmoid cross-entropy in nats, the mean over labels: (batch,) float32 backend tensor."""
        from headstart_plugins.multilabel._loss import cross_entropy

        return cross_entropy(targets, outputs, smoothing=self.label_smoothing)

    def mix(self, targets: np.ndarray, partners: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """(batch, label) float32 between 0 and 1: `shares` of the targets, the rest of the partners'."""
        own = shares.astype(np.float32)[:, None]
        mixed: np.ndarray = own * targets + (1 - own) * partners
        return mixed

    def solve(self, rows: Rows, strengths: Sequence[float]) -> Iterable[Solved]:
        """Logistic regressions, one a label; see `solve_heads`. Raises DataError where a feature is not finite."""
        from headstart_plugins.multilabel._solve import solve_heads

        return solve_heads(rows, strengths)

    def solve_again(self, rows: Rows, solved: Solved) -> Solved:
        """The same strength on `rows`. Raises DataError as `solve` does."""
        from headstart_plugins.multilabel._solve import solve_again

        return solve_again(rows, solved)

    def metrics(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, float]:
        """`loss`, `macro_average_precision`, `micro_f1`, `macro_f1` and `subset_accuracy`.

        Average precision asks no threshold; the others are at the thresholds. Macro means leave out labels that no
        sample has (and, for F1, that none was given).
        """
        logits = outputs[LOGITS]
        found = _metrics.scores(targets, logits, self._given(logits))
        return {"loss": _metrics.mean_loss(targets, logits), **found}

    def intervals(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, tuple[float, float]]:
        """95 % of all metrics but the loss, by a seeded bootstrap over samples."""
        return _metrics.intervals(targets, outputs[LOGITS], self._given(outputs[LOGITS]))

    def baseline(self, train: np.ndarray, test: np.ndarray) -> Mapping[str, float]:
        """`prior_macro_average_precision`: the same answer to all; `majority_subset_accuracy`: the labels that occur
        together most often in `train` as the answer to all."""
        there = test.any(axis=0)
        sets, counts = np.unique(train, axis=0, return_counts=True)
        commonest = sets[np.argmax(counts)]
        return {
            "prior_macro_average_precision": float(test.mean(axis=0)[there].mean()) if there.any() else 0.0,
            "majority_subset_accuracy": float(np.mean(np.all(test == commonest, axis=1))),
        }

    def calibrated(
        self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]
    ) -> tuple[Multilabel, Mapping[str, Any]]:
        """See Calibrates: one temperature for all (Guo et al. 2017, arXiv:1706.04599), then a threshold for each label.

        The temperature has the least cross-entropy, the thresholds have the greatest F1.
        """
        logits = outputs[LOGITS].astype(np.float64)
        temperature = fit_temperature(lambda each: _metrics.mean_loss(targets, logits / each))
        probability = _metrics.probabilities(outputs[LOGITS], temperature)
        thresholds = tuple(choose_threshold(*columns) for columns in zip(targets.T, probability.T, strict=True))
        facts = {"temperature": temperature, "thresholds": described(self.classes, thresholds)}
        return replace(self, temperature=temperature, thresholds=thresholds), facts

    def calibration(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        """See Calibrates: `ece` over every sample and label, in 15 bins of equal width; `nll` is the mean over both."""
        before, after = (self._honesty(targets, outputs[LOGITS], each) for each in (None, self.temperature))
        return {name: {"before": before[name], "after": after[name]} for name in before}

    def decode(self, outputs: Mapping[str, np.ndarray], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`prediction`, the labels that are given, joined by "|", and the `top_k` most probable, best first."""
        logits = outputs[LOGITS]
        ranked = np.argsort(-logits, axis=1, kind="stable")[:, : max(1, top_k)]
        probability = _metrics.probabilities(logits, self.temperature)
        rows = []
        for order, values, name in zip(ranked, probability, self._names(logits), strict=True):
            best = [{"label": self.classes[index], "probability": float(values[index])} for index in order]
            rows.append({"prediction": name, "top_k": best})
        return rows

    def columns(self, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Sequence[Any]]:
        """`prediction`, then `p:LABEL` for each label."""
        probability = _metrics.probabilities(outputs[LOGITS], self.temperature)
        named = {f"p:{name}": probability[:, index].tolist() for index, name in enumerate(self.classes)}
        return {"prediction": self._names(outputs[LOGITS]), **named}

    def report(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        """`per_class` scores at the thresholds, with the threshold of each."""
        given = self._given(outputs[LOGITS])
        hits, predicted, true = (targets * given).sum(0), given.sum(0), targets.sum(0)

        def ratio(part: float, whole: float) -> float | None:
            return float(part / whole) if whole else None

        return {
            "per_class": {
                name: {
                    "precision": ratio(hits[index], predicted[index]),
                    "recall": ratio(hits[index], true[index]),
                    "f1": ratio(2 * hits[index], predicted[index] + true[index]),
                    "support": int(true[index]),
                    "threshold": float(self._limits()[index]),
                }
                for index, name in enumerate(self.classes)
            }
        }

    def _limits(self) -> np.ndarray:
        """The threshold of each label (label,)."""
        if not self.thresholds:
            return np.full(len(self.classes), HALF)
        return np.array([each.threshold for each in self.thresholds])

    def _given(self, logits: np.ndarray) -> np.ndarray:
        """Which labels are given (batch, label) float64, 0 or 1."""
        given: np.ndarray = _metrics.probabilities(logits, self.temperature) >= self._limits()
        return given.astype(np.float64)

    def _names(self, logits: np.ndarray) -> list[str]:
        names = np.array(self.classes, object)
        return [SEPARATOR.join(names[row > 0]) for row in self._given(logits)]

    def _honesty(self, targets: np.ndarray, logits: np.ndarray, temperature: float | None) -> dict[str, float]:
        scaled = logits.astype(np.float64) / (temperature or 1.0)
        return {
            "ece": expected_calibration_error(special.expit(scaled).ravel(), targets.ravel()),
            "nll": _metrics.mean_loss(targets, scaled),
        }
