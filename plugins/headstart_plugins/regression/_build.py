"""Build target of the task `regression`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.targets import number_of
from headstart.errors import DataError
from headstart.specs import Solved, TaskRequest
from headstart_plugins.regression import RegressionOptions, _metrics
from headstart_plugins.regression._solve import VALUE

if TYPE_CHECKING:
    import keras

    from headstart.engine.linear.rows import Rows

QUANTILES = (0.5, 0.9, 1.0)


def build(request: TaskRequest) -> Regression:
    """The task, bound to a stored scale where there is one. Raises DataError where that is none."""
    options: RegressionOptions = request.options
    if request.labels is None:
        return Regression(dropout=options.dropout)
    mean, deviation = (request.labels.get(name) for name in ("mean", "deviation"))
    for name, value, low in (("mean", mean, -math.inf), ("deviation", deviation, 0.0)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < math.inf:
            raise DataError(f"labels must hold `{name}` as a number above {low}; received {str(value)[:80]!r}")
    return Regression(float(mean or 0.0), float(deviation or 1.0), options.dropout)


@dataclass(frozen=True)
class Regression:
    """One number a sample; fulfils `headstart.specs.Task` and FitsTargets.

    Targets are (batch,) float32 and the one output is "value" (batch, 1) float32, both less train's `mean` and in units
    of its `deviation`; before that was seen they are as given, and targets float64. Metrics (but the loss), columns and
    answers are in the unit of the data.
    """

    mean: float = 0.0
    deviation: float = 1.0
    dropout: float = 0.0
    features: tuple[str, ...] = ("pooled",)
    primary_metric: str = "r2"
    higher_is_better: bool = True

    def labels(self) -> Mapping[str, Any]:
        """The scale: mean and standard deviation of the training split's targets."""
        return {"mean": self.mean, "deviation": self.deviation}

    def encode(self, targets: Sequence[str], keys: Sequence[str]) -> np.ndarray:
        """Numbers as text to (batch,). Raises DataError naming the key of what is no finite number."""
        values = np.empty(len(targets))
        for row, (target, key) in enumerate(zip(targets, keys, strict=True)):
            value = number_of(target)
            if value is None:
                raise DataError(f"{key}: the target {target!r} is no number", hint="write it as -3.5 or 1e3")
            values[row] = value
        if (self.mean, self.deviation) == (0.0, 1.0):
            return values
        return ((values - self.mean) / self.deviation).astype(np.float32)

    def fitted(self, targets: np.ndarray) -> Regression:
        """See FitsTargets. Raises DataError where all training targets are the same."""
        deviation = float(np.std(targets)) if np.ptp(targets) > 0 else 0.0
        if not 0.0 < deviation < math.inf:
            raise DataError(
                f"the training targets spread by {deviation}; there is nothing to learn from them",
                hint="check the column that holds the numbers",
            )
        return replace(self, mean=float(np.mean(targets)), deviation=deviation)

    def chances(self, targets: np.ndarray) -> np.ndarray | None:
        """See FitsTargets: every sample once an epoch."""
        return None

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """A model {"pooled": (None, channel)} -> {"value": (None, 1)}: "linear", "mlp" or "mlp:512".

        Raises UsageError for a name it does not know or a feature of another shape.
        """
        from headstart_plugins._heads.networks import build_head, plan_head

        return build_head(plan_head(name, self.dropout, units=1, output=VALUE), features, seed=seed)

    def loss(self, targets: Any, outputs: Mapping[str, Any]) -> Any:
        """Squared error in units of train's variance: (batch,) float32 backend tensor."""
        import keras

        value = keras.ops.cast(outputs[VALUE], "float32")
        return keras.ops.square(value[:, 0] - keras.ops.cast(targets, "float32"))

    def mix(self, targets: np.ndarray, partners: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """(batch,) float32: `shares` of the targets, the rest of the partners'."""
        own = shares.astype(np.float32)
        mixed: np.ndarray = (own * targets + (1 - own) * partners).astype(np.float32)
        return mixed

    def solve(self, rows: Rows, strengths: Sequence[float]) -> Iterable[Solved]:
        """Ridge regressions; see `solve_heads`. Raises DataError where a feature is not finite."""
        from headstart_plugins.regression._solve import solve_heads

        return solve_heads(rows, strengths)

    def solve_again(self, rows: Rows, solved: Solved) -> Solved:
        """The same strength on `rows`. Raises DataError as `solve` does."""
        from headstart_plugins.regression._solve import solve_again

        return solve_again(rows, solved)

    def metrics(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, float]:
        """`loss`, the mean squared error in units of train's variance, and `r2`, `rmse` and `mae`."""
        errors = outputs[VALUE][:, 0].astype(np.float64) - targets
        return {"loss": float(np.mean(errors**2)), **_metrics.scores(self._real(targets), self._answers(outputs))}

    def intervals(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, tuple[float, float]]:
        """95 % of `r2`, `rmse` and `mae`, by a seeded bootstrap over samples."""
        return _metrics.intervals(self._real(targets), self._answers(outputs))

    def baseline(self, train: np.ndarray, test: np.ndarray) -> Mapping[str, float]:
        """`mean_r2`, `mean_rmse` and `mean_mae`: the mean of `train` as the answer to all."""
        answer = np.full(len(test), float(self._real(train).mean()))
        return {f"mean_{name}": value for name, value in _metrics.scores(self._real(test), answer).items()}

    def decode(self, outputs: Mapping[str, np.ndarray], top_k: int) -> Sequence[Mapping[str, Any]]:
        """`prediction`, the number, of each sample."""
        return [{"prediction": value} for value in self.columns(outputs)["prediction"]]

    def columns(self, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Sequence[Any]]:
        """`prediction`: the number, to a ten-millionth of train's deviation or finer, as far as a float32 tells."""
        places = 7 - math.floor(math.log10(self.deviation))
        return {"prediction": [round(value, places) for value in self._answers(outputs).tolist()]}

    def report(self, targets: np.ndarray, outputs: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        """`absolute_error`: how large it is for half of the samples at most, for nine tenths, and for all."""
        errors = np.abs(self._answers(outputs) - self._real(targets))
        return {"absolute_error": {f"{share:.0%}": float(np.quantile(errors, share)) for share in QUANTILES}}

    def _real(self, encoded: np.ndarray) -> np.ndarray:
        """Numbers (row,) float64 in the unit of the data."""
        return encoded.astype(np.float64) * self.deviation + self.mean

    def _answers(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return self._real(outputs[VALUE][:, 0])
