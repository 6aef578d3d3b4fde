"""Build target of the task `regression`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart.engine.linear.pca import eigenbasis_of, ridge_weights
from headstart.engine.linear.rows import Rows
from headstart.errors import DataError
from headstart.specs import Batch, Evaluation, Facts, Solved, TakenOver, Task, TaskRequest, TensorSpec
from headstart_plugins._heads.evaluators import RESAMPLES, Kept, Sums, middle_95
from headstart_plugins._heads.logistic import Weights
from headstart_plugins._heads.options import HeadOptions
from headstart_plugins._heads.taking_over import OutputLayer, taken_over
from headstart_plugins._heads.task import RIDGE, LinearHeadTask

VALUE = "value"
NUMBER = "number"
QUANTILES = (0.5, 0.9, 1.0)


def scores(targets: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """R squared, root mean squared error and mean absolute error of (row,) float64 numbers.

    Where all targets are the same, R squared is 1 for the right answer and 0 for others, as in scikit-learn.
    """
    errors = predicted - targets
    squared = float(np.mean(errors**2))
    spread = float(np.var(targets)) if np.ptp(targets) > 0 else 0.0  # the variance of equal numbers can be 1e-34
    return {"r2": r_squared(squared, spread), "rmse": float(np.sqrt(squared)), "mae": float(np.mean(np.abs(errors)))}


def r_squared(squared: float, spread: float) -> float:
    """R squared from the mean squared error and the variance of the targets, `spread`."""
    constant = 1.0 if squared == 0.0 else 0.0
    return 1.0 - squared / spread if spread > 0.0 else constant


def intervals(targets: np.ndarray, predicted: np.ndarray, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of `scores` from 1000 resamples (Efron & Tibshirani 1993, chapter 13)."""
    random = np.random.default_rng(seed)
    draws = (random.integers(0, len(targets), len(targets)) for _ in range(RESAMPLES))
    parts = [scores(targets[drawn], predicted[drawn]) for drawn in draws]
    return {name: middle_95(np.array([part[name] for part in parts])) for name in parts[0]}


class RegressionEvaluator(Kept["Regression"]):
    """Keeps each sample's number and the answer, in the unit of the data: the bootstrap and quantiles want them all."""

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        self.keep(true=self.task.real(targets[NUMBER]), answers=self.task.real(outputs[VALUE][:, 0]))

    def metrics(self) -> Mapping[str, float]:
        """`r2`, `rmse` and `mae`."""
        return scores(self["true"], self["answers"])

    def result(self) -> Evaluation:
        """95 % `intervals` of all metrics by a seeded bootstrap over samples; `absolute_error`: how large it is for
        half of the samples at most, for nine tenths, and for all."""
        true, answers = self["true"], self["answers"]
        errors = np.abs(answers - true)
        return Evaluation(
            metrics=scores(true, answers),
            intervals=intervals(true, answers),
            report={"absolute_error": {f"{share:.0%}": float(np.quantile(errors, share)) for share in QUANTILES}},
        )


class RunningRegressionEvaluator(Sums["Regression"]):
    """The same metrics from sums in units of train's deviation, in which numbers are about 1."""

    def __init__(self, task: Regression) -> None:
        names = ("rows", "squared_errors", "absolute_errors", "numbers", "squared_numbers")
        bounds = {"lowest": np.full(1, np.inf), "highest": -np.full(1, np.inf)}
        super().__init__(task, {name: np.zeros(1) for name in names} | bounds)

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        true = targets[NUMBER].astype(np.float64)
        errors, sums = outputs[VALUE][:, 0].astype(np.float64) - true, self.sums
        sums["rows"] += len(true)
        sums["squared_errors"] += np.sum(errors**2)
        sums["absolute_errors"] += np.sum(np.abs(errors))
        sums["numbers"] += np.sum(true)
        sums["squared_numbers"] += np.sum(true**2)
        sums["lowest"] = np.minimum(sums["lowest"], true.min(initial=np.inf))
        sums["highest"] = np.maximum(sums["highest"], true.max(initial=-np.inf))

    def merge(self, other: Any) -> None:
        """See `headstart.specs.Evaluator`."""
        lowest = np.minimum(self.sums["lowest"], other.sums["lowest"])
        highest = np.maximum(self.sums["highest"], other.sums["highest"])
        super().merge(other)
        self.sums |= {"lowest": lowest, "highest": highest}

    def metrics(self) -> Mapping[str, float]:
        """As those of RegressionEvaluator, up to the rounding of sums."""
        found = {name: float(each[0]) for name, each in self.sums.items()}
        rows = found["rows"]
        squared, mean = found["squared_errors"] / rows, found["numbers"] / rows
        spread = found["squared_numbers"] / rows - mean**2 if found["highest"] > found["lowest"] else 0.0
        return {
            "r2": r_squared(squared, spread),
            "rmse": float(np.sqrt(squared)) * self.task.deviation,
            "mae": found["absolute_errors"] / rows * self.task.deviation,
        }


def build(request: TaskRequest) -> Regression:
    """The task, bound to a stored scale where there is one. Raises DataError where that is none."""
    options: HeadOptions = request.options
    if request.labels is None:
        return Regression(dropout=options.dropout)
    mean, deviation = (request.labels.get(name) for name in ("mean", "deviation"))
    for name, value, low in (("mean", mean, -math.inf), ("deviation", deviation, 0.0)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < math.inf:
            raise DataError(f"labels must hold `{name}` as a number above {low}; received {str(value)[:80]!r}")
    return Regression(float(mean or 0.0), float(deviation or 1.0), dropout=options.dropout)


@dataclass(frozen=True)
class Regression(LinearHeadTask):
    """One number a sample; fulfils `headstart.specs.Task`, MixesTargets, SolvesHead, TakesOverHead, FitsTargets.

    Targets are "number" (batch,) float32 and the one output is "value" (batch, 1) float32, both less train's `mean` and
    in units of its `deviation`; before that was seen they are as given, and targets float64. Metrics (but the loss),
    and answers are in the unit of the data.
    """

    mean: float = 0.0
    deviation: float = 1.0
    primary_metric: str = "r2"
    output: str = field(default=VALUE, kw_only=True)

    @property
    def units(self) -> int:
        """One."""
        return 1

    @property
    def targets(self) -> Mapping[str, TensorSpec]:
        """The number, scaled once the scale is known."""
        return {NUMBER: TensorSpec((), "float32" if self._is_scaled else "float64")}

    @property
    def columns(self) -> tuple[str, ...]:
        """`prediction`."""
        return ("prediction",)

    def labels(self) -> Mapping[str, Any]:
        """The scale: mean and standard deviation of the training split's targets."""
        return {"mean": self.mean, "deviation": self.deviation}

    def summary(self) -> Mapping[str, Any]:
        """The scale."""
        return self.labels()

    def encode(self, values: Sequence[float], facts: Sequence[Facts], keys: Sequence[str]) -> dict[str, np.ndarray]:
        """Finite numbers to "number" (batch,)."""
        numbers = np.array(values, np.float64)
        scaled = ((numbers - self.mean) / self.deviation).astype(np.float32) if self._is_scaled else numbers
        return {NUMBER: scaled}

    def fitted(self, targets: Batch) -> Regression:
        """See FitsTargets; a scale that came with a head stays, since its answers are in it. Raises DataError where all
        training targets are the same."""
        numbers = targets[NUMBER]
        deviation = float(np.std(numbers)) if np.ptp(numbers) > 0 else 0.0
        if not 0.0 < deviation < math.inf:
            raise DataError(
                f"the training targets spread by {deviation}; there is nothing to learn from them",
                hint="check the column that holds the numbers",
            )
        return self if self._is_scaled else replace(self, mean=float(np.mean(numbers)), deviation=deviation)

    def sampling_weights(self, targets: Batch) -> np.ndarray | None:
        """See FitsTargets: every sample once an epoch."""
        return None

    def loss(self, targets: Mapping[str, Any], outputs: Mapping[str, Any], *, training: bool) -> Any:
        """Squared error in units of train's variance: (batch,) float32 backend tensor."""
        import keras

        value = keras.ops.cast(outputs[VALUE], "float32")
        return keras.ops.square(value[:, 0] - keras.ops.cast(targets[NUMBER], "float32"))

    def values(self, targets: Batch) -> np.ndarray:
        """(row, 1) float64."""
        return targets[NUMBER].astype(np.float64)[:, None]

    def solve(self, rows: Rows, strengths: Sequence[float]) -> Iterator[Solved]:
        """The ridge regression of each strength, strongest first: all from one eigendecomposition. Raises DataError
        where a feature is not finite."""
        spectrum = eigenbasis_of(rows, self.values)
        for strength in sorted(set(strengths), reverse=True):
            weights = Weights(ridge_weights(spectrum, strength), spectrum.target_mean)
            yield self.solved(RIDGE, strength, weights, spectrum)

    def solve_again(self, rows: Rows, solved: Solved) -> Solved:
        """The same strength on `rows`. Raises DataError as `solve` does."""
        (again,) = self.solve(rows, (solved.strength,))
        return again

    def take_over(self, other: Task, learned: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray]) -> TakenOver:
        """See TakesOverHead: the whole head, its answers in units of this task's deviation less this task's mean."""
        mean, deviation = (float(other.labels()[name]) for name in ("mean", "deviation"))

        def carry(old: OutputLayer, new: OutputLayer) -> OutputLayer:
            if (mean, deviation) == (self.mean, self.deviation):
                return old
            kernel = old.kernel.astype(np.float64) * (deviation / self.deviation)
            bias = (old.bias.astype(np.float64) * deviation + mean - self.mean) / self.deviation
            return OutputLayer(kernel.astype(new.kernel.dtype), bias.astype(new.bias.dtype))

        return TakenOver(taken_over(learned, first, carry), kept=self.columns)

    def evaluator(self, *, running: bool = False) -> RegressionEvaluator | RunningRegressionEvaluator:
        """See `RegressionEvaluator` and `RunningRegressionEvaluator`."""
        return RunningRegressionEvaluator(self) if running else RegressionEvaluator(self)

    def baseline(self, train: Batch, test: Batch) -> Mapping[str, float]:
        """`mean_r2`, `mean_rmse` and `mean_mae`: the mean of `train` as the answer to all."""
        answer = np.full(len(test[NUMBER]), float(self.real(train[NUMBER]).mean()))
        return {f"mean_{name}": value for name, value in scores(self.real(test[NUMBER]), answer).items()}

    def decode(self, outputs: Batch, facts: Sequence[Facts], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`prediction`: the number, to a ten-millionth of train's deviation or finer, as far as a float32 tells."""
        places = 7 - math.floor(math.log10(self.deviation))
        return [{"prediction": round(value, places)} for value in self.real(outputs[VALUE][:, 0]).tolist()]

    def rows(self, answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
        """One row."""
        return [answer]

    @property
    def _is_scaled(self) -> bool:
        return (self.mean, self.deviation) != (0.0, 1.0)

    def real(self, encoded: np.ndarray) -> np.ndarray:
        """Numbers (row,) float64 in the unit of the data."""
        return encoded.astype(np.float64) * self.deviation + self.mean
