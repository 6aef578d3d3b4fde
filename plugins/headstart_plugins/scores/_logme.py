"""LogME: the evidence of a Bayesian linear model of the targets, at its most probable precisions."""

from __future__ import annotations

import numpy as np

from headstart.errors import DataError
from headstart.specs import Observed, Scored, ScoreRequest
from headstart_plugins.scores._classes import LEADING, indicators, refuse_constant

STEPS = 11
NEAR = 1e-3
"""The relative change of alpha / beta at which the reference implementation stops."""
LEAST = 1e-5
"""What it adds to each denominator."""


class LogME:
    """You et al. 2021, arXiv:2102.11005, by the fixed point of You et al. 2022, arXiv:2110.10545, algorithm 3.

    The targets of each class (or number) are a linear function of the features F (record, channel) with weights of
    precision alpha and noise of precision beta; the score is the mean over classes of log p(y | F) / n at the fixed
    point of both. Equal to the reference implementation, github.com/thuml/LogME at 56551ca, `_fit_fixed_point`, within
    1e-6, its stop and its added 1e-5 included.

    Cost: one eigendecomposition of min(n, channels) squared, shared with other scores; then eleven steps over all
    classes at once. Resampled on the 64 leading axes.

    Where it misleads: it rewards what a linear model can explain of indicators, so that sources whose features are bent
    but good for fine-tuning lose; with fewer records than channels the prior's term, channels / 2 log alpha, is not
    outweighed by the determinant, of which the reference leaves the channels without a record out, so that it favours
    or disfavours networks by their width; it is not comparable between data sets."""

    def __init__(self, request: ScoreRequest) -> None:
        """It has no options."""

    def measure(self, observed: Observed) -> Scored:
        """See `Score`."""
        refuse_constant(observed)
        spectrum, numbers = observed.spectrum, indicators(observed)
        parts = (spectrum.along.T @ numbers) ** 2 / spectrum.energies[:, None]
        records, channels = spectrum.count, spectrum.channels
        silent = records - len(spectrum.energies) if records <= channels else 0
        value = evidence(spectrum.energies, parts, (numbers**2).sum(axis=0), records, channels, silent=silent).mean()
        leading = spectrum.along[:, :LEADING]
        resampled = []
        for weights in observed.weights:
            weighted = leading * weights[:, None]
            energies, axes = np.linalg.eigh(weighted.T @ leading)
            kept = energies > np.finfo(np.float64).eps * len(leading) * energies[-1]
            energies, axes = energies[kept], axes[:, kept]
            inner = (axes.T @ (weighted.T @ numbers)) ** 2 / energies[:, None]
            total = weights @ numbers**2
            resampled.append(evidence(energies, inner, total, records, leading.shape[1]).mean())
        return Scored(float(value), np.array(resampled))


def evidence(
    energies: np.ndarray, parts: np.ndarray, total: np.ndarray, records: int, channels: int, *, silent: int = 0
) -> np.ndarray:
    """log p(y | F) / n of each output (output,), at the fixed point.

    `energies` (axis,) are the squares of F's singular values, `parts` (axis, output) those of the targets along the
    left singular vectors, `total` (output,) the sum of squared targets; `silent` axes have a singular value of zero.
    """
    left = total - parts.sum(axis=0)  # what lies along no axis; of rounding's making below zero
    outputs = parts.shape[1]
    alpha, beta = np.ones(outputs), np.ones(outputs)
    sizes, errors = np.zeros(outputs), np.zeros(outputs)
    going = np.ones(outputs, bool)
    for _ in range(STEPS):
        ratio, inner = alpha[going] / beta[going], parts[:, going]
        column = energies[:, None]
        known = (column / (column + ratio)).sum(axis=0)
        sizes[going] = (column * inner / (ratio + column) ** 2).sum(axis=0)
        errors[going] = (inner / (1.0 + column / ratio) ** 2).sum(axis=0) + left[going]
        alpha[going] = known / (sizes[going] + LEAST)
        beta[going] = (records - known) / (errors[going] + LEAST)
        now = alpha[going] / beta[going]
        going[going] = np.abs(now - ratio) / ratio > NEAR
        if not going.any():
            break
    if not (np.all(alpha > 0.0) and np.all(beta > 0.0)):
        raise DataError("no precision of weights and noise explains the targets")
    determinant = np.log(alpha + beta * energies[:, None]).sum(axis=0) + silent * np.log(alpha)
    whole: np.ndarray = (
        channels / 2.0 * np.log(alpha)
        + records / 2.0 * np.log(beta)
        - 0.5 * determinant
        - beta / 2.0 * errors
        - alpha / 2.0 * sizes
        - records / 2.0 * np.log(2.0 * np.pi)
    )
    return whole / records
