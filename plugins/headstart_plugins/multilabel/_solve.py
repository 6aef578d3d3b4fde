"""The linear head on frozen features: a logistic regression for each label, all together, along a path of strengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from headstart.engine.linear.pca import EigenBasis, eigenbasis_of
from headstart.engine.linear.ridge import ridge_weights
from headstart.engine.linear.rows import Rows
from headstart.specs import Solved
from headstart_plugins._heads.links import Sigmoid
from headstart_plugins._heads.logistic import Weights, fit_logistic, make_design
from headstart_plugins._heads.paths import regressions

if TYPE_CHECKING:
    from headstart.specs.tasks import Batch

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
