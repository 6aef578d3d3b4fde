"""Build target of the task `classification`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from headstart.calibration import expected_calibration_error, fit_temperature, stored_temperature
from headstart.errors import DataError
from headstart.specs import Solved, TaskRequest
from headstart_plugins.classification import ClassificationOptions, _labels, _metrics
from headstart_plugins.classification._balance import Balance, stored_counts

if TYPE_CHECKING:
    import keras

    from headstart.engine.linear.rows import Rows

LOGITS = "logits"


def build(request: TaskRequest) -> Classification:
    """The task bound to the classes of `request`. Raises DataError for fewer than two classes."""
    options: ClassificationOptions = request.options
    stored = request.labels
    classes = _labels.classes_of(request.targets or ()) if stored is None else _labels.stored_classes(stored)
    counts = () if stored is None else stored_counts(stored, len(classes))
    return Classification(
        classes,
        options.dropout,
        label_smoothing=options.label_smoothing,
        balance=Balance(options.balance, options.tau, counts),
        temperature=None if stored is None else stored_temperature(stored),
        primary_metric="accuracy" if options.balance == "none" else "balanced_accuracy",
    )


@dataclass(frozen=True)
class Classification:
    """Single-label classification over `classes`; fulfils `headstart.specs.Task`, FitsTargets and Calibrates.

    Targets are (batch,) int32 indices into `classes`, mixed ones (batch, class) float32 distributions; the one output
    is "logits" (batch, class) float32. Probabilities are softmax(logits / temperature), without one 1. Where classes
    are evened out, the primary metric is that of classes that all weigh the same, and so is the metric `loss` but with
    logit adjustment, whose own is the mean over samples.
    """

    classes: tuple[str, ...]
    dropout: float = 0.0
    label_smoothing: float = 0.0
    balance: Balance = Balance()  # noqa: RUF009 - frozen
    temperature: float | None = None
    features: tuple[str, ...] = ("pooled",)
    primary_metric: str = "accuracy"
    higher_is_better: bool = True

    def labels(self) -> Mapping[str, Any]:
        """The class names, in the order of the logits; counts of the training split where they matter; temperature."""
        return {
            "classes": list(self.classes),
            **({"counts": list(self.balance.counts)} if self.balance.counts else {}),
            **({"temperature": self.temperature} if self.temperature is not None else {}),
        }

    def fitted(self, targets: np.ndarray) -> Classification:
        """See FitsTargets. Raises DataError where a class that is to be evened out has no training sample."""
        if self.balance.mechanism != "none":
            self._check_classes(targets)
        return replace(self, balance=self.balance.bound(targets, len(self.classes)))

    def chances(self, targets: np.ndarray) -> np.ndarray | None:
        """See FitsTargets: with `balance` "sampling", each class is seen equally often."""
        return self.balance.chances(targets)

    def encode(self, targets: Sequence[str], keys: Sequence[str]) -> np.ndarray:
        """Labels to (batch,) int32. Raises DataError naming the key of a label it does not know."""
        return _labels.encode(self.classes, targets, keys)

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """A model {"pooled": (None, channel)} -> {"logits": (None, class)}: "linear", "mlp" or "mlp:512".

        Raises UsageError for a name it does not know or a feature of another shape.
        """
        from headstart_plugins._heads.networks import build_head, plan_head

        return build_head(plan_head(name, self.dropout, units=len(self.classes)), features, seed=seed)

    def loss(self, targets: Any, outputs: Mapping[str, Any]) -> Any:
        """Softmax cross-entropy in nats, smoothed, weighted and adjusted as asked: (batch,) float32 backend tensor.

        `targets` are integers or distributions.
        """
        from headstart_plugins.classification import _loss

        weights, shift = self.balance.weights, self.balance.shift
        if len(targets.shape) == 1 and not self.label_smoothing and weights is None and shift is None:
            return _loss.cross_entropy(targets, outputs)
        return _loss.regularised_cross_entropy(
            targets, outputs, smoothing=self.label_smoothing, weights=weights, shift=shift
        )

    def mix(self, targets: np.ndarray, partners: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Distributions (batch, class) float32: `shares` of the targets' classes, the rest of the partners'."""
        kinds = np.eye(len(self.classes), dtype=np.float32)
        own = shares.astype(np.float32)[:, None]
        mixed: np.ndarray = own * kinds[targets] + (1 - own) * kinds[partners]
        return mixed

    def solve(self, rows: Rows, strengths: Sequence[float]) -> Iterable[Solved]:
        """A ridge regression, then multinomial logistic regressions; see `solve_heads`.

        Where samples are weighed or repeated, regressions with those weights; with logit adjustment, each head is
        adjusted afterwards. Raises DataError where a class has no sample, or a feature is not finite.
        """
        from headstart_plugins.classification._solve import solve_heads

        self._check_classes(rows.targets)
        found = solve_heads(rows, strengths, len(self.classes), self.balance.even)
        return (self.balance.adjusted(solved) for solved in found)

    def solve_again(self, rows: Rows, solved: Solved) -> Solved:
        """The same solver at the same strength on `rows`. Raises DataError as `solve` does."""
        from headstart_plugins.classification._solve import solve_again

        self._check_classes(rows.targets)
        plain = self.balance.adjusted(solved, 1.0)
        return self.balance.adjusted(solve_again(rows, plain, len(self.classes), self.balance.even))

    def metrics(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, float]:
        """`loss`, `accuracy`, `macro_f1`, `balanced_accuracy`, and `top5_accuracy` from six classes on.

        `loss` is what is trained on, but not smoothed.
        """
        logits = outputs[LOGITS]
        counts = self._count(targets, outputs)
        adjusted = logits if self.balance.shift is None else logits + self.balance.shift
        weights = None if self.balance.even is None else self.balance.sample_weights(targets)
        values = {
            "loss": _metrics.mean_loss(targets, adjusted, weights),
            "accuracy": float(np.trace(counts) / counts.sum()),
            "macro_f1": _metrics.macro_f1(counts),
            "balanced_accuracy": _metrics.balanced_accuracy(counts),
        }
        if len(self.classes) >= _metrics.TOP5_FROM:
            values["top5_accuracy"] = _metrics.top_accuracy(targets, logits, 5)
        return values

    def intervals(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, tuple[float, float]]:
        """95 %: Wilson for `accuracy`, seeded stratified bootstrap for `macro_f1`, `balanced_accuracy`."""
        counts = self._count(targets, outputs)
        accuracy = _metrics.wilson_interval(int(np.trace(counts)), int(counts.sum()))
        return {"accuracy": accuracy, **_metrics.bootstrap_intervals(counts)}

    def baseline(self, train: np.ndarray, test: np.ndarray) -> Mapping[str, float]:
        """`majority_accuracy`: the commonest class of `train` (first of equals) as the answer to all.

        Where classes are evened out, `majority_balanced_accuracy` too.
        """
        commonest = int(np.argmax(np.bincount(train, minlength=len(self.classes))))
        found = {"majority_accuracy": float(np.mean(test == commonest))}
        if self.balance.mechanism != "none":
            counts = _metrics.count_confusions(test, np.full_like(test, commonest), len(self.classes))
            found["majority_balanced_accuracy"] = _metrics.balanced_accuracy(counts)
        return found

    def calibrated(
        self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]
    ) -> tuple[Classification, Mapping[str, Any]]:
        """See Calibrates: with the temperature of the least cross-entropy (Guo et al. 2017, arXiv:1706.04599).

        No answer changes by it. Where classes are evened out, probabilities are for classes that are as frequent as
        `class_shares` (class,) among the facts; temperature and calibration error are those of samples weighed so.
        """
        logits, weights = outputs[LOGITS].astype(np.float64), self.balance.sample_weights(targets)
        found = fit_temperature(lambda temperature: _metrics.mean_loss(targets, logits / temperature, weights))
        shares = self.balance.shares
        facts = {} if shares is None else {"class_shares": shares.tolist()}
        return replace(self, temperature=found), {"temperature": found, **facts}

    def calibration(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        """See Calibrates: `ece` is that of the answer given, over 15 bins of equal width; `nll` is in nats. Samples are
        weighed as in `calibrated`."""
        before, after = (self._honesty(targets, outputs[LOGITS], each) for each in (None, self.temperature))
        return {name: {"before": before[name], "after": after[name]} for name in before}

    def _honesty(self, targets: np.ndarray, logits: np.ndarray, temperature: float | None) -> dict[str, float]:
        scaled = logits.astype(np.float64) / (temperature or 1.0)
        sure = special.softmax(scaled, axis=1).max(axis=1)
        right, weights = np.argmax(logits, axis=1) == targets, self.balance.sample_weights(targets)
        return {
            "ece": expected_calibration_error(sure, right, weights),
            "nll": _metrics.mean_loss(targets, scaled, weights),
        }

    def decode(self, outputs: Mapping[str, np.ndarray], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`prediction`, `confidence` and the `top_k` most probable classes, best first, of each sample."""
        probability = _probabilities(outputs[LOGITS], self.temperature)
        ranked = np.argsort(-outputs[LOGITS], axis=1, kind="stable")
        rows = []
        for order, values in zip(ranked[:, : max(1, top_k)], probability, strict=True):
            best = [{"label": self.classes[index], "probability": float(values[index])} for index in order]
            rows.append({"prediction": best[0]["label"], "confidence": best[0]["probability"], "top_k": best})
        return rows

    def columns(self, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Sequence[Any]]:
        """`prediction`, `confidence`, then `p:CLASS` for each class."""
        probability = _probabilities(outputs[LOGITS], self.temperature)
        predicted = np.argmax(outputs[LOGITS], axis=1)
        confidence = probability[np.arange(len(predicted)), predicted]
        named = {f"p:{name}": probability[:, index].tolist() for index, name in enumerate(self.classes)}
        return {
            "prediction": [self.classes[index] for index in predicted],
            "confidence": confidence.tolist(),
            **named,
        }

    def report(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        """`confusion_matrix` (rows true, columns predicted, as in `classes`) and `per_class` scores."""
        counts = self._count(targets, outputs)
        return {
            "confusion_matrix": counts.tolist(),
            "per_class": _metrics.describe_classes(counts, self.classes),
        }

    def _check_classes(self, targets: np.ndarray) -> None:
        counts = np.bincount(targets, minlength=len(self.classes))
        if not counts.all():
            missing = [self.classes[index] for index in np.flatnonzero(counts == 0)]
            raise DataError(
                f"no training sample of class {', '.join(map(repr, missing[:8]))}"
                + (f" and {len(missing) - 8} more" if len(missing) > 8 else ""),
                hint="add samples of it, leave the class out, or let the split be stratified",
            )

    def _count(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return _metrics.count_confusions(targets, np.argmax(outputs[LOGITS], axis=1), len(self.classes))


def _probabilities(logits: np.ndarray, temperature: float | None) -> np.ndarray:
    """Softmax of (batch, class) logits: float64 that prints as the shortest decimal of the float32 value."""
    scaled = logits.astype(np.float64) / (temperature or 1.0)
    probability: np.ndarray = special.softmax(scaled, axis=1).astype(np.float32)
    return probability.astype(str).astype(np.float64)
