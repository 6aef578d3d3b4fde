"""Build target of the task `classification`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy import special

from headstart.calibration import BINS, bins_of, fit_temperature, stored_temperature
from headstart.engine.linear.pca import eigenbasis_of, ridge_weights
from headstart.engine.linear.rows import Rows
from headstart.errors import DataError
from headstart.lists import in_line
from headstart.specs import Batch, Evaluation, Facts, Solved, TaskRequest, TensorSpec
from headstart.suggest import suggestion
from headstart_plugins._heads.evaluators import Sums, describe_classes, f1_scores, ratio
from headstart_plugins._heads.labels import (
    LOGITS,
    LabelCalibrator,
    LabelTask,
    natural_order,
    shortest,
    stored_names,
)
from headstart_plugins._heads.logistic import Softmax, Weights
from headstart_plugins._heads.task import RIDGE, blend
from headstart_plugins._wilson import wilson_interval
from headstart_plugins.classification import ClassificationOptions, _metrics
from headstart_plugins.classification._balance import Balance, stored_counts
from headstart_plugins.classification._solve import choose_ridge


def classes_of(targets: Sequence[str]) -> tuple[str, ...]:
    """The classes among `targets`, whose names their kind has checked, in natural order.

    Raises DataError for fewer than two classes.
    """
    classes = tuple(sorted(set(targets), key=natural_order))
    if len(classes) < 2:
        received = f"one class, {classes[0]!r}" if classes else "no labels"
        raise DataError(
            f"classification needs two classes or more, and the data has {received}",
            hint="check that each class has a folder, or a label column, of its own",
        )
    return classes


CLASS = "class"


class ClassificationEvaluator(Sums["Classification"]):
    """Counts by class, and sums of losses. One that is `running` has no confusion matrix and nothing about calibration:
    3 counts and a sum a class instead of (class, class).

    All sums that samples may be weighed in are kept by class: a weight is a function of the class alone.
    """

    def __init__(self, task: Classification, *, running: bool = False) -> None:
        self._running = running
        count = len(task.classes)
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
        super().__init__(task, sums)
        self._pairs: list[np.ndarray] = []

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        true, logits, sums = targets[CLASS], outputs[LOGITS], self.sums
        predicted = np.argmax(logits, axis=1)
        np.add.at(sums["true"], true, 1)
        np.add.at(sums["predicted"], predicted, 1)
        np.add.at(sums["correct"], true[true == predicted], 1)
        np.add.at(sums["losses"], true, losses.astype(np.float64))
        if len(self.task.classes) >= _metrics.TOP5_FROM:
            ranked = np.argsort(-logits, axis=1, kind="stable")[:, :5]  # of equal logits the first counts
            sums["among_five"] += int(np.any(ranked == true[:, None], axis=1).sum())
        if self._running:
            return
        self._pairs.append(np.stack([true, predicted], axis=1).astype(np.int32))
        np.add.at(sums["confusions"], (true, predicted), 1)
        for place, temperature in enumerate((1.0, self.task.temperature or 1.0)):
            scaled = logits.astype(np.float64) / temperature
            logs, sure = special.log_softmax(scaled, axis=1), special.softmax(scaled, axis=1).max(axis=1)
            np.add.at(sums["likelihoods"][place], true, -logs[np.arange(len(true)), true])
            np.add.at(sums["gaps"][place], (true, bins_of(sure)), sure - (predicted == true))

    def merge(self, other: ClassificationEvaluator) -> None:
        """See `headstart.specs.Evaluator`."""
        super().merge(other)
        self._pairs += other._pairs

    def resampled(self) -> Mapping[str, np.ndarray]:
        """See `headstart.specs.ResamplesRows`: of `accuracy`, `macro_f1` and `balanced_accuracy`."""
        pairs = np.concatenate(self._pairs)
        return _metrics.resampled(pairs[:, 0], pairs[:, 1], len(self.task.classes))

    def metrics(self) -> Mapping[str, float]:
        """`accuracy`; `macro_f1`, the mean F1 over the classes present or predicted, as scikit-learn's;
        `balanced_accuracy`, the mean recall over the classes that are present; `top5_accuracy` from six classes on;
        where samples are weighed or repeated, `loss` too, that of classes that all weigh the same."""
        sums = self.sums
        correct, true, predicted = sums["correct"], sums["true"], sums["predicted"]
        values = {} if self.task.balance.even is None else {"loss": float(self._weighed(sums["losses"]))}
        values |= {
            "accuracy": float(correct.sum() / true.sum()),
            "macro_f1": float(np.nanmean(f1_scores(correct, predicted, true))),
            "balanced_accuracy": float(np.nanmean(ratio(correct, true))),
        }
        if len(self.task.classes) >= _metrics.TOP5_FROM:
            values["top5_accuracy"] = float(sums["among_five"][0] / true.sum())
        return values

    def result(self) -> Evaluation:
        """95 % `intervals`: Wilson for `accuracy`, seeded stratified bootstrap for `macro_f1`, `balanced_accuracy`.

        The `report` has `confusion_matrix` (rows true, columns predicted, as in `classes`) and `per_class` scores. In
        `calibration`, `ece` is that of the answer given, over 15 bins of equal width, and `nll` is in nats; samples are
        weighed so that classes have the shares that answers are for.
        """
        if self._running:
            return super().result()
        counts = self.sums["confusions"]
        calibration: dict[str, dict[str, float]] = {"ece": {}, "nll": {}}
        for place, when in enumerate(("before", "after")):  # without the temperature, and with it
            calibration["ece"][when] = float(np.abs(self._weighed(self.sums["gaps"][place].T)).sum())
            calibration["nll"][when] = float(self._weighed(self.sums["likelihoods"][place]))
        accuracy = wilson_interval(np.trace(counts) / counts.sum(), int(counts.sum()))
        return Evaluation(
            metrics=self.metrics(),
            intervals={"accuracy": accuracy, **_metrics.bootstrap_intervals(counts)},
            report={
                "confusion_matrix": counts.tolist(),
                "per_class": describe_classes(
                    self.task.classes, np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)
                ),
                "class_figure": "f1",
            },
            calibration=calibration,
        )

    def _weighed(self, sums: np.ndarray) -> np.ndarray:
        """The mean over samples of `sums` (..., class), weighed as `Balance.sample_weights` does: (...)."""
        true, shares = self.sums["true"], self.task.balance.shares
        if shares is None:
            plain: np.ndarray = sums.sum(axis=-1) / true.sum()
            return plain
        mean: np.ndarray = (sums / np.maximum(true, 1)) @ shares / shares[true > 0].sum()
        return mean


def build(request: TaskRequest) -> Classification:
    """The task bound to the classes of `request`. Raises DataError for fewer than two classes."""
    options: ClassificationOptions = request.options
    stored = request.labels
    classes = classes_of(request.targets or ()) if stored is None else stored_names(stored, fewest=2)
    counts = () if stored is None else stored_counts(stored, len(classes))
    return Classification(
        classes,
        dropout=options.dropout,
        label_smoothing=options.label_smoothing,
        balance=Balance(options.balance, options.tau, counts),
        temperature=None if stored is None else stored_temperature(stored),
        primary_metric="accuracy" if options.balance == "none" else "balanced_accuracy",
    )


@dataclass(frozen=True)
class Classification(LabelTask):
    """Single-label classification over `classes`; fulfils `headstart.specs.Task`, MixesTargets, ComparesTargets,
    SolvesHead, FitsTargets, Calibrates, TellsTargets and TellsProbabilities.

    Targets are "class" (batch,) int32 indices into `classes`, mixed ones (batch, class) float32 distributions; the one
    output is "logits" (batch, class) float32. Probabilities are softmax(logits / temperature), without one 1. Where
    classes are evened out, the primary metric is that of classes that all weigh the same, and so is the metric `loss`
    but with logit adjustment, whose own is the mean over samples.
    """

    target: ClassVar[str] = CLASS
    balance: Balance = Balance()  # noqa: RUF009 - frozen
    primary_metric: str = "accuracy"

    @property
    def targets(self) -> Mapping[str, TensorSpec]:
        """The index of the class."""
        return {CLASS: TensorSpec((), "int32")}

    @property
    def columns(self) -> tuple[str, ...]:
        """`prediction`, `confidence`, then `p:CLASS` for each class."""
        return ("prediction", "confidence", *(f"p:{name}" for name in self.classes))

    def labels(self) -> Mapping[str, Any]:
        """The class names, in the order of the logits; counts of the training split where they matter; temperature."""
        return {
            "classes": list(self.classes),
            **({"counts": list(self.balance.counts)} if self.balance.counts else {}),
            **({"temperature": self.temperature} if self.temperature is not None else {}),
        }

    def fitted(self, targets: Batch) -> Classification:
        """See FitsTargets. Raises DataError where a class that is to be evened out has no training sample."""
        if self.balance.mechanism != "none":
            self._check_classes(targets[CLASS])
        return replace(self, balance=self.balance.bound(targets[CLASS], len(self.classes)))

    def sampling_weights(self, targets: Batch) -> np.ndarray | None:
        """See FitsTargets: with `balance` "sampling", each class is seen equally often."""
        return self.balance.sampling_weights(targets[CLASS])

    def encode(self, values: Sequence[str], facts: Sequence[Facts], keys: Sequence[str]) -> dict[str, np.ndarray]:
        """Names of classes to "class" (batch,) int32. Raises DataError naming the key of one it does not know."""
        index = {name: position for position, name in enumerate(self.classes)}
        for value, key in zip(values, keys, strict=True):
            if value not in index:
                raise DataError(
                    f"{key}: label {value!r} is none of the {len(self.classes)} known classes",
                    hint=suggestion(value, self.classes),
                )
        return {CLASS: np.array([index[value] for value in values], dtype=np.int32)}

    def values(self, targets: Batch) -> np.ndarray:
        """(row, class) float64: 1 for the row's class, 0 elsewhere."""
        true = targets[CLASS]
        indicators = np.zeros((len(true), len(self.classes)))
        indicators[np.arange(len(true)), true] = 1.0
        return indicators

    def forms(self, targets: Batch) -> Mapping[str, np.ndarray]:
        """See TellsTargets: "classes" (row,) int64 alone, for a one-hot class is no number."""
        return {"classes": targets[CLASS].astype(np.int64)}

    def probabilities(self, outputs: Batch) -> np.ndarray:
        """See TellsProbabilities: softmax(logits / temperature) (row, class)."""
        shares: np.ndarray = special.softmax(outputs[LOGITS].astype(np.float64) / (self.temperature or 1.0), axis=1)
        return shares

    def loss(self, targets: Mapping[str, Any], outputs: Mapping[str, Any], *, training: bool) -> Any:
        """Softmax cross-entropy in nats: (batch,) float32 backend tensor, of adjusted logits with logit adjustment.

        The classes are integers (batch,) or distributions (batch, class). In training, `label_smoothing` of each is
        spread over all classes (Szegedy et al. 2016, arXiv:1512.00567), and weights of classes multiply a sample's loss
        by that of its class, each part of a distribution by that of its own.
        """
        import keras

        true, logits = targets[CLASS], keras.ops.cast(outputs[LOGITS], "float32")
        mixed = len(true.shape) == 2
        shift = self.balance.shift
        weights, smoothing = (self.balance.weights, self.label_smoothing) if training else (None, 0.0)
        if not mixed and not smoothing and weights is None and shift is None:
            return keras.ops.sparse_categorical_crossentropy(true, logits, from_logits=True)
        classes = len(self.classes)
        shares = keras.ops.cast(true, "float32") if mixed else keras.ops.one_hot(true, classes, dtype="float32")
        if shift is not None:
            logits = logits + keras.ops.convert_to_tensor(shift.astype(np.float32))
        spread: Any = smoothing / classes
        if weights is not None:
            shares = shares * keras.ops.convert_to_tensor(weights.astype(np.float32))
            spread = spread * keras.ops.sum(shares, axis=-1, keepdims=True)
        smoothed = shares * (1.0 - smoothing) + spread
        return -keras.ops.sum(smoothed * keras.ops.log_softmax(logits, axis=-1), axis=-1)

    def likeness(self, targets: Mapping[str, Any]) -> Any:
        """See ComparesTargets: 1 for two of one class, else 0; of mixed ones the sum over classes of both shares."""
        import keras

        true = targets[CLASS]
        shares = true if len(true.shape) == 2 else keras.ops.one_hot(true, len(self.classes), dtype="float32")
        return keras.ops.matmul(shares, keras.ops.transpose(shares))

    def mix(self, targets: Batch, partners: Batch, shares: np.ndarray) -> dict[str, np.ndarray]:
        """Distributions (batch, class) float32: `shares` of the targets' classes, the rest of the partners'."""
        kinds = np.eye(len(self.classes), dtype=np.float32)
        return {CLASS: blend(kinds[targets[CLASS]], kinds[partners[CLASS]], shares)}

    @property
    def link(self) -> Softmax:
        """Softmax cross-entropy, weighed where classes are evened out by weights or by sampling."""
        return Softmax(self.balance.even)

    def solve(self, rows: Rows, strengths: Sequence[float]) -> Iterator[Solved]:
        """The best ridge regression of all strengths, then a multinomial logistic regression for each, strongest first.

        Where samples are weighed or repeated, regressions with those weights, and no ridge, which knows none; with
        logit adjustment, each head is adjusted afterwards. Raises DataError where a class has no sample, or a feature
        is not finite.
        """
        self._check_classes(rows.targets[CLASS])
        return map(self.balance.adjusted, self._solve(rows, sorted(set(strengths), reverse=True)))

    def _solve(self, rows: Rows, path: Sequence[float]) -> Iterator[Solved]:
        """The first regression starts from the ridge of its strength, each other one from where the last two lead."""
        spectrum = eigenbasis_of(rows, self.values)
        if self.balance.even is None:
            yield self.solved(RIDGE, *choose_ridge(rows, spectrum, path, self.values), spectrum)
        start = _centred(ridge_weights(spectrum, path[0]), spectrum.target_mean)
        yield from self.regressions(rows, spectrum, start, path)

    def solve_again(self, rows: Rows, solved: Solved) -> Solved:
        """The same solver at the same strength on `rows`; a regression starts from what was solved. Raises DataError as
        `solve` does."""
        self._check_classes(rows.targets[CLASS])
        spectrum = eigenbasis_of(rows, self.values)
        if solved.solver == RIDGE:
            again = self.solved(RIDGE, *choose_ridge(rows, spectrum, (solved.strength,), self.values), spectrum)
        else:
            plain = self.balance.adjusted(solved, 1.0)
            start = _centred(*spectrum.unfold(plain.weights["kernel"], plain.weights["bias"]))
            (again,) = self.regressions(rows, spectrum, start, (solved.strength,))
        return self.balance.adjusted(again)

    def evaluator(self, *, running: bool = False) -> ClassificationEvaluator:
        """See `ClassificationEvaluator`: counts and sums, of constant size in any case."""
        return ClassificationEvaluator(self, running=running)

    def baseline(self, train: Batch, test: Batch) -> Mapping[str, float]:
        """`majority_accuracy`: the commonest class of `train` (first of equals) as the answer to all.

        Where classes are evened out, `majority_balanced_accuracy` too.
        """
        commonest = int(np.argmax(np.bincount(train[CLASS], minlength=len(self.classes))))
        right = test[CLASS] == commonest
        found = {"majority_accuracy": float(np.mean(right))}
        if self.balance.mechanism != "none":
            present = len(np.unique(test[CLASS]))
            found["majority_balanced_accuracy"] = float(right.any()) / present
        return found

    def calibrator(self) -> ClassificationCalibrator:
        """See Calibrates."""
        return ClassificationCalibrator(self)

    def calibrated(self, found: Mapping[str, Any]) -> Classification:
        """See Calibrates: with the temperature that was found. No answer changes by it."""
        return replace(self, temperature=stored_temperature(found))

    def decode(self, outputs: Batch, facts: Sequence[Facts], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`prediction`, `confidence` and the `top_k` most probable classes, best first, of each sample."""
        logits = outputs[LOGITS]
        probability = shortest(special.softmax(logits.astype(np.float64) / (self.temperature or 1.0), axis=1))
        return [
            {"prediction": best[0]["label"], "confidence": best[0]["probability"], "top_k": best}
            for best in self.most_probable(logits, probability, top_k)
        ]

    def _check_classes(self, targets: np.ndarray) -> None:
        counts = np.bincount(targets, minlength=len(self.classes))
        if not counts.all():
            missing = [repr(self.classes[index]) for index in np.flatnonzero(counts == 0)]
            raise DataError(
                f"no training sample of class {in_line(missing, 8)}",
                hint="add samples of it, leave the class out, or let the split be stratified",
            )


class ClassificationCalibrator(LabelCalibrator[Classification]):
    """The temperature is that of the least cross-entropy (Guo et al. 2017, arXiv:1706.04599).

    Where classes are evened out, probabilities are for classes that are as frequent as `class_shares` (class,) among
    what is found; the temperature is that of samples weighed so.
    """

    def found(self) -> Mapping[str, Any]:
        """`temperature`, and `class_shares` where classes are evened out."""
        true, logits = self["true"], self["logits"].astype(np.float64)
        weights, shares = self.task.balance.sample_weights(true), self.task.balance.shares
        found = fit_temperature(lambda temperature: _metrics.mean_loss(true, logits / temperature, weights))
        return {"temperature": found, **({} if shares is None else {"class_shares": shares.tolist()})}


def _centred(kernel: np.ndarray, bias: np.ndarray) -> Weights:
    """With a bias of mean zero: what all classes share changes no probability, and the optimum has none of it."""
    return Weights(kernel, bias - bias.mean())
