"""Build target of the task `classification`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from headstart.errors import DataError, UsageError
from headstart.specs import Solved, TaskRequest
from headstart_plugins.classification import _labels, _metrics

if TYPE_CHECKING:
    import keras

    from headstart.engine.rows import Rows

LOGITS = "logits"


def build(request: TaskRequest) -> Classification:
    """The task bound to the classes of `request`. Raises DataError for fewer than two classes."""
    if request.labels is not None:
        classes = _labels.stored_classes(request.labels)
    else:
        classes = _labels.classes_of(request.targets or ())
    return Classification(classes, request.options.dropout)


@dataclass(frozen=True)
class Classification:
    """Single-label classification over `classes`; fulfils `headstart.specs.Task`.

    Targets are (batch,) int32 indices into `classes`; the one output is "logits" (batch, class) float32.
    """

    classes: tuple[str, ...]
    dropout: float = 0.0
    feature: str = "pooled"
    primary_metric: str = "accuracy"
    higher_is_better: bool = True

    def labels(self) -> Mapping[str, Any]:
        """The class names, in the order of the logits."""
        return {"classes": list(self.classes)}

    def encode(self, targets: Sequence[str], keys: Sequence[str]) -> np.ndarray:
        """Labels to (batch,) int32. Raises DataError naming the key of a label it does not know."""
        return _labels.encode(self.classes, targets, keys)

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """A model {"pooled": (None, channel)} -> {"logits": (None, class)}: "linear", "mlp" or "mlp:512".

        Raises UsageError for a name it does not know or a feature of another shape.
        """
        from headstart_plugins.classification import _head

        shape = features.get(self.feature, ())
        channels = shape[-1] if len(shape) == 2 else None
        if channels is None:
            raise UsageError(
                f"classification needs the feature {self.feature!r} of shape (batch, channel); "
                f"received {dict(features)}"
            )
        plan = _head.plan_head(name, self.dropout)
        return _head.build_head(plan, channels=channels, classes=len(self.classes), seed=seed)

    def loss(self, targets: Any, outputs: Mapping[str, Any]) -> Any:
        """Softmax cross-entropy in nats: (batch,) float32 backend tensor."""
        from headstart_plugins.classification import _head

        return _head.cross_entropy(targets, outputs)

    def solve(self, rows: Rows, strengths: Sequence[float]) -> Iterable[Solved]:
        """A ridge regression, then multinomial logistic regressions; see `solve_heads`.

        Raises DataError where a class has no sample, or a feature is not finite.
        """
        from headstart_plugins.classification._solve import solve_heads

        self._check_classes(rows)
        return solve_heads(rows, strengths, len(self.classes))

    def solve_again(self, rows: Rows, solved: Solved) -> Solved:
        """The same solver at the same strength on `rows`. Raises DataError as `solve` does."""
        from headstart_plugins.classification._solve import solve_again

        self._check_classes(rows)
        return solve_again(rows, solved, len(self.classes))

    def metrics(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, float]:
        """`loss`, `accuracy`, `macro_f1`, `balanced_accuracy`, and `top5_accuracy` from six classes on."""
        logits = outputs[LOGITS]
        counts = self._count(targets, outputs)
        values = {
            "loss": _metrics.mean_loss(targets, logits),
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
        """`majority_accuracy`: the commonest class of `train` (first of equals) as the answer to all."""
        commonest = int(np.argmax(np.bincount(train, minlength=len(self.classes))))
        return {"majority_accuracy": float(np.mean(test == commonest))}

    def decode(self, outputs: Mapping[str, np.ndarray], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`prediction`, `confidence` and the `top_k` most probable classes, best first, of each sample."""
        probability = _probabilities(outputs[LOGITS])
        ranked = np.argsort(-outputs[LOGITS], axis=1, kind="stable")
        rows = []
        for order, values in zip(ranked[:, : max(1, top_k)], probability, strict=True):
            best = [{"label": self.classes[index], "probability": float(values[index])} for index in order]
            rows.append({"prediction": best[0]["label"], "confidence": best[0]["probability"], "top_k": best})
        return rows

    def columns(self, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Sequence[Any]]:
        """`prediction`, `confidence`, then `p:CLASS` for each class."""
        probability = _probabilities(outputs[LOGITS])
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

    def _check_classes(self, rows: Rows) -> None:
        counts = np.bincount(rows.targets, minlength=len(self.classes))
        if not counts.all():
            missing = [self.classes[index] for index in np.flatnonzero(counts == 0)]
            raise DataError(
                f"no training sample of class {', '.join(map(repr, missing[:8]))}"
                + (f" and {len(missing) - 8} more" if len(missing) > 8 else ""),
                hint="add samples of it, leave the class out, or let the split be stratified",
            )

    def _count(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return _metrics.count_confusions(targets, np.argmax(outputs[LOGITS], axis=1), len(self.classes))


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax of (batch, class) logits: float64 that prints as the shortest decimal of the float32 value."""
    probability: np.ndarray = special.softmax(logits.astype(np.float64), axis=1).astype(np.float32)
    return probability.astype(str).astype(np.float64)
