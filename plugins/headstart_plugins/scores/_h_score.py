"""The H-score with a shrunk covariance."""

from __future__ import annotations

import numpy as np

from headstart.errors import DataError
from headstart.specs import Observed, Scored, ScoreRequest
from headstart_plugins.scores._classes import LEADING, indicators, refuse_constant

SINGULAR = 1e-10


class HScore:
    """Bao et al. 2019 (ICIP), tr(cov(f)^-1 cov(E[f|y])), with the covariance shrunk after Ledoit & Wolf 2004 as in
    Ibrahim et al. 2021 (arXiv:2110.06893, equation 7): tr(S^-1 (1 - a) cov(E[f|y])), S = (1 - a) cov(f) + a m I.

    Without shrinkage it only counts channels where these outnumber the records; a is as scikit-learn's `ledoit_wolf`
    gives it. cov(f) is divided by n, cov(E[f|y]) by n - 1, as in the implementations that are in use.

    Cost: on the axes of the shared decomposition S is diagonal less rank one, so that classes x axes numbers are all
    that is left. Resampled on the 64 leading axes, at the same a.

    Where it misleads: it looks at class means alone, so that classes of several clusters lose; it grows with the number
    of classes and is not comparable between data sets; shrinkage differs between networks of other widths.
    """

    def __init__(self, request: ScoreRequest) -> None:
        """It has no options."""

    def measure(self, observed: Observed) -> Scored:
        """See `Score`."""
        refuse_constant(observed)
        spectrum, marks = observed.spectrum, indicators(observed)
        records, mean, gaps = spectrum.count, spectrum.mean, spectrum.centred()
        shrinkage, level = _ledoit_wolf(gaps, spectrum.channels, spectrum.energies, mean)
        counts = marks.sum(axis=0)
        means = marks.T @ gaps / counts[:, None]
        diagonal = (1.0 - shrinkage) * spectrum.energies / records + shrinkage * level
        lost = (1.0 - shrinkage) * float(mean @ (mean / diagonal))
        if not 1.0 - lost > SINGULAR:
            raise DataError("the covariance of its features cannot be inverted, shrunk as it is")
        across = (means**2 / diagonal).sum(axis=1)
        across += (1.0 - shrinkage) * (means @ (mean / diagonal)) ** 2 / (1.0 - lost)
        value = (1.0 - shrinkage) * float(counts @ across) / (records - 1)
        resampled = [_weighted(gaps[:, :LEADING], marks, weights, shrinkage, level) for weights in observed.weights]
        return Scored(value, np.array(resampled))


def _ledoit_wolf(gaps: np.ndarray, channels: int, energies: np.ndarray, mean: np.ndarray) -> tuple[float, float]:
    """The shrinkage in [0, 1], and the mean variance of a channel that the covariance is shrunk to."""
    records = len(gaps)
    level = max(float(energies.sum() / records - mean @ mean), 0.0) / channels
    # |cov|^2 of diag(e/n) - m m', and the mean fourth power of the distance to the mean
    scaled = energies / records
    squared = float((scaled**2).sum() - 2.0 * (mean**2 * scaled).sum() + (mean @ mean) ** 2)
    fourth = float(((gaps**2).sum(axis=1) ** 2).mean())
    apart = (squared - channels * level**2) / channels
    noise = min(max(fourth - squared, 0.0) / (channels * records), max(apart, 0.0))
    return (noise / apart if noise > 0.0 else 0.0), level


def _weighted(gaps: np.ndarray, marks: np.ndarray, weights: np.ndarray, shrinkage: float, level: float) -> float:
    records = len(gaps)
    gaps = gaps - weights @ gaps / records
    weighted = gaps * weights[:, None]
    covariance = (1.0 - shrinkage) * (weighted.T @ gaps) / records
    covariance[np.diag_indices_from(covariance)] += max(shrinkage * level, SINGULAR * np.trace(covariance))
    counts = weights @ marks
    means = marks.T @ weighted / counts[:, None]
    across = np.einsum("ca,ac->c", means, np.linalg.solve(covariance, means.T))
    return (1.0 - shrinkage) * float(counts @ across) / (records - 1)
