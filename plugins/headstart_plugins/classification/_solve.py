"""The linear head on frozen features: one ridge, and logistic regressions along a path of strengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from headstart.engine.linear.pca import EigenBasis, Values, eigenbasis_of
from headstart.engine.linear.ridge import leave_out, ridge_weights
from headstart.engine.linear.rows import Rows
from headstart.specs import Solved
from headstart.specs.tasks import Batch
from headstart_plugins._heads.links import Softmax
from headstart_plugins._heads.logistic import Weights, fit_logistic, make_design
from headstart_plugins._heads.paths import regressions
from headstart_plugins.classification._metrics import softened_loss

LEFT_OUT = 4096
"""Samples that are left out in turn, at most: enough for one strength and one number."""
LOG_SCALES = (-3.0, 12.0)
"""Natural logarithms of the least and the largest scale of the logits."""


@dataclass(frozen=True)
class Ridge:
    """The chosen `strength`, the `scale` that turns answers into logits, and `loss`, that of the samples left out."""

    strength: float
    scale: float
    loss: float

    def weights(self, spectrum: EigenBasis) -> Weights:
        """The head on projected features."""
        return Weights(self.scale * ridge_weights(spectrum, self.strength), self.scale * spectrum.target_mean)


def indicators(classes: int) -> Values:
    """The "class" (row,) of targets to (row, class) float64: 1 for the row's class, 0 elsewhere."""

    def values(targets: Batch) -> np.ndarray:
        true = targets["class"]
        rows = np.zeros((len(true), classes))
        rows[np.arange(len(true)), true] = 1.0
        return rows

    return values


def choose_ridge(rows: Rows, spectrum: EigenBasis, strengths: Sequence[float], classes: int) -> Ridge:
    """The strength whose left-out answers have the least cross-entropy at their best scale, and that scale.

    A ridge on indicators answers with numbers near 0 and 1, not with logits. One factor for all of them, as in
    temperature scaling (Guo et al. 2017, arXiv:1706.04599), makes probabilities of them and changes no decision. Where
    every sample left out is answered rightly, no factor would be too large: so each target gives up a share of
    1 / (samples + 2) to all classes, after Platt 1999.
    """
    left = leave_out(spectrum, rows, indicators(classes), strengths, LEFT_OUT)
    true = left.targets["class"]
    tried = [_scaled(strength, answers, true) for strength, answers in zip(strengths, left.answers, strict=True)]
    return min(tried, key=lambda ridge: ridge.loss)


def _scaled(strength: float, answers: np.ndarray, targets: np.ndarray) -> Ridge:
    best = minimize_scalar(
        lambda log_scale: softened_loss(targets, np.exp(log_scale) * answers),
        bounds=LOG_SCALES,
        method="bounded",
        options={"xatol": 1e-4},
    )
    return Ridge(strength, float(np.exp(best.x)), float(best.fun))


RIDGE, LOGISTIC = "ridge", "logistic"


def solve_heads(
    rows: Rows, strengths: Sequence[float], classes: int, weights: np.ndarray | None = None
) -> Iterator[Solved]:
    """The best ridge of the path, then a logistic regression for each strength, strongest first.

    With `weights` (class,) of the losses there is no ridge, which knows none.
    The first regression starts from the ridge of its strength, each other one from where the last two lead.
    """
    path = sorted(set(strengths), reverse=True)
    spectrum = eigenbasis_of(rows, indicators(classes))
    if weights is None:
        ridge = choose_ridge(rows, spectrum, path, classes)
        yield _solved(RIDGE, ridge.strength, ridge.weights(spectrum), spectrum)
    start = centred(Weights(ridge_weights(spectrum, path[0]), spectrum.target_mean))
    for strength, found in regressions(
        make_design(rows, rows.targets["class"], spectrum, Softmax(weights)), start, path
    ):
        yield _solved(LOGISTIC, strength, found, spectrum)


def solve_again(rows: Rows, solved: Solved, classes: int, weights: np.ndarray | None = None) -> Solved:
    """The same solver at the same strength on other rows; a regression starts from what was solved."""
    spectrum = eigenbasis_of(rows, indicators(classes))
    if solved.solver == RIDGE:
        ridge = choose_ridge(rows, spectrum, (solved.strength,), classes)
        return _solved(RIDGE, ridge.strength, ridge.weights(spectrum), spectrum)
    start = centred(Weights(*spectrum.unfold(solved.weights["kernel"], solved.weights["bias"])))
    found = fit_logistic(make_design(rows, rows.targets["class"], spectrum, Softmax(weights)), start, solved.strength)
    return _solved(LOGISTIC, solved.strength, found, spectrum)


def centred(weights: Weights) -> Weights:
    """With a bias of mean zero: what all classes share changes no probability, and the optimum has none of it."""
    return Weights(weights.kernel, weights.bias - weights.bias.mean())


def _solved(solver: str, strength: float, weights: Weights, spectrum: EigenBasis) -> Solved:
    kernel, bias = spectrum.fold(weights.kernel, weights.bias)
    return Solved(solver, strength, {"kernel": kernel, "bias": bias})
