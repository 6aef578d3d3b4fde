"""The linear head on frozen features: one ridge, and logistic regressions along a path of strengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from headstart.engine.linear.pca import EigenBasis, eigenbasis_of
from headstart.engine.linear.ridge import ridge_weights
from headstart.engine.linear.rows import Rows
from headstart.specs import Solved
from headstart_plugins._heads.links import Softmax
from headstart_plugins._heads.logistic import Weights, fit_logistic, make_design
from headstart_plugins._heads.paths import regressions
from headstart_plugins.classification._ridge import choose_ridge, indicators

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
