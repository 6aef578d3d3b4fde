"""Scores of predicted numbers: of rows that are kept, or, while training, from sums of constant size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.specs import Evaluation, Facts
from headstart_plugins._heads.evaluators import Kept, Sums
from headstart_plugins.regression import _metrics
from headstart_plugins.regression._solve import VALUE

if TYPE_CHECKING:
    from headstart.specs.tasks import Batch

NUMBER = "number"
QUANTILES = (0.5, 0.9, 1.0)


class RegressionEvaluator(Kept):
    """Keeps each sample's number and the answer, in the unit of the data: the bootstrap and quantiles want them all."""

    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self._mean, self._deviation = mean, deviation

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        true, answers = (
            each.astype(np.float64) * self._deviation + self._mean for each in (targets[NUMBER], outputs[VALUE][:, 0])
        )
        self.keep(true=true, answers=answers)

    def metrics(self) -> Mapping[str, float]:
        """`r2`, `rmse` and `mae`."""
        return _metrics.scores(self["true"], self["answers"])

    def result(self) -> Evaluation:
        """95 % `intervals` of all metrics by a seeded bootstrap over samples; `absolute_error`: how large it is for
        half of the samples at most, for nine tenths, and for all."""
        true, answers = self["true"], self["answers"]
        errors = np.abs(answers - true)
        return Evaluation(
            metrics=_metrics.scores(true, answers),
            intervals=_metrics.intervals(true, answers),
            report={"absolute_error": {f"{share:.0%}": float(np.quantile(errors, share)) for share in QUANTILES}},
        )


class RunningRegressionEvaluator(Sums):
    """The same metrics from sums in units of train's deviation, in which numbers are about 1."""

    def __init__(self, deviation: float) -> None:
        self._deviation = deviation
        names = ("rows", "squared_errors", "absolute_errors", "numbers", "squared_numbers")
        super().__init__(
            {name: np.zeros(1) for name in names} | {"lowest": np.full(1, np.inf), "highest": -np.full(1, np.inf)}
        )

    def update(self, targets: Batch, outputs: Batch, facts: Sequence[Facts], losses: np.ndarray) -> None:
        """See `headstart.specs.Evaluator`."""
        true = targets[NUMBER].astype(np.float64)
        errors, sums = outputs[VALUE][:, 0].astype(np.float64) - true, self.sums
        sums["rows"] += len(true)
        sums["squared_errors"] += np.sum(errors**2)
        sums["absolute_errors"] += np.sum(np.abs(errors))
        sums["numbers"] += np.sum(true)
        sums["squared_numbers"] += np.sum(true**2)
        self._widen(true.min(initial=np.inf), true.max(initial=-np.inf))

    def merge(self, other: Any) -> None:
        """See `headstart.specs.Evaluator`."""
        lowest, highest = self.sums["lowest"], self.sums["highest"]
        super().merge(other)
        self.sums |= {"lowest": lowest, "highest": highest}
        self._widen(other.sums["lowest"], other.sums["highest"])

    def metrics(self) -> Mapping[str, float]:
        """As those of RegressionEvaluator, up to the rounding of sums."""
        found = {name: float(each[0]) for name, each in self.sums.items()}
        rows = found["rows"]
        squared, mean = found["squared_errors"] / rows, found["numbers"] / rows
        spread = found["squared_numbers"] / rows - mean**2 if found["highest"] > found["lowest"] else 0.0
        return {
            "r2": _metrics.r_squared(squared, spread),
            "rmse": float(np.sqrt(squared)) * self._deviation,
            "mae": found["absolute_errors"] / rows * self._deviation,
        }

    def result(self) -> Evaluation:
        """The metrics."""
        return Evaluation(self.metrics())

    def _widen(self, lowest: Any, highest: Any) -> None:
        self.sums["lowest"] = np.minimum(self.sums["lowest"], lowest)
        self.sums["highest"] = np.maximum(self.sums["highest"], highest)
