"""The linear head on frozen features: one ridge, and logistic regressions along a path of strengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headstart.engine.ridge import ridge_weights
from headstart.engine.rows import Rows
from headstart.engine.spectrum import Spectrum, spectrum_of
from headstart.specs import Solved
from headstart_plugins.classification._logistic import Weights, fit_logistic, make_design
from headstart_plugins.classification._ridge import choose_ridge, indicators

RIDGE, LOGISTIC = "ridge", "logistic"


def solve_heads(rows: Rows, strengths: Sequence[float], classes: int) -> Iterator[Solved]:
    """The best ridge of the path, then a logistic regression for each strength, strongest first.

    Each regression starts from the one before, the first from the ridge of its own strength.
    """
    path = sorted(strengths, reverse=True)
    spectrum = spectrum_of(rows, indicators(classes))
    ridge = choose_ridge(rows, spectrum, path, classes)
    yield _solved(RIDGE, ridge.strength, ridge.weights(spectrum), spectrum)
    design = make_design(rows, spectrum)
    weights = _centred(Weights(ridge_weights(spectrum, path[0]), spectrum.target_mean))
    for strength in path:
        weights = fit_logistic(design, weights, strength)
        yield _solved(LOGISTIC, strength, weights, spectrum)


def solve_again(rows: Rows, solved: Solved, classes: int) -> Solved:
    """The same solver at the same strength on other rows; a regression starts from what was solved."""
    spectrum = spectrum_of(rows, indicators(classes))
    if solved.solver == RIDGE:
        ridge = choose_ridge(rows, spectrum, (solved.strength,), classes)
        return _solved(RIDGE, ridge.strength, ridge.weights(spectrum), spectrum)
    start = _centred(Weights(*spectrum.unfold(solved.weights["kernel"], solved.weights["bias"])))
    weights = fit_logistic(make_design(rows, spectrum), start, solved.strength)
    return _solved(LOGISTIC, solved.strength, weights, spectrum)


def _centred(weights: Weights) -> Weights:
    """With a bias of mean zero: what all classes share changes no probability, and the optimum has none of it."""
    return Weights(weights.kernel, weights.bias - weights.bias.mean())


def _solved(solver: str, strength: float, weights: Weights, spectrum: Spectrum) -> Solved:
    kernel, bias = spectrum.fold(weights.kernel, weights.bias)
    return Solved(solver, strength, {"kernel": kernel, "bias": bias})
