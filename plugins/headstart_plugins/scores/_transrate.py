"""TransRate: coding rates of all features, and of those of each class."""

from __future__ import annotations

import numpy as np

from headstart.specs import Observed, Scored, ScoreRequest
from headstart_plugins.scores._classes import LEADING, indicators, refuse_constant


class TransRate:
    """Huang et al. 2022, arXiv:2106.09362: R(Z, e) - mean over classes of R(Z of the class, e), with the coding rate
    R(Z, e) = 1/2 log det(I + Z'Z / (n e)) of Ma et al. 2007; Z are the features less the mean of all of them.

    Equal to `transrate` of the Transfer-Learning-Library (tllib.ranking, at c4aa59e).

    Cost: that of the shared decomposition, and a determinant a class of min(its records, axes) squared. Resampled on
    the 64 leading axes.

    Where it misleads: the distortion `e` is in the unit of the features, so that a network whose features are larger
    gets more; with few records a class, its rate is that of its number of records, and every class seems compact.
    """

    def __init__(self, request: ScoreRequest) -> None:
        """The distortion."""
        self.distortion = float(request.options.distortion)

    def measure(self, observed: Observed) -> Scored:
        """See `Score`."""
        refuse_constant(observed)
        spectrum = observed.spectrum
        gaps, mean, records = spectrum.centred(), spectrum.mean, spectrum.count
        scaled = spectrum.energies / (records * self.distortion)
        apart = 1.0 - float(mean @ (mean / (1.0 + scaled))) / self.distortion  # rank one off the diagonal
        whole = 0.5 * float(np.log1p(scaled).sum() + np.log(max(apart, np.finfo(np.float64).tiny)))
        members = [np.flatnonzero(observed.targets == each) for each in range(int(observed.targets.max()) + 1)]
        value = whole - float(np.mean([self._rate(gaps[rows]) for rows in members]))
        leading = gaps[:, :LEADING]
        marks = indicators(observed)
        resampled = [self._weighted(leading, marks, members, weights) for weights in observed.weights]
        return Scored(value, np.array(resampled))

    def _rate(self, gaps: np.ndarray) -> float:
        """The coding rate of the rows of a class (record, axis), by their smaller product."""
        records, axes = gaps.shape
        product = gaps @ gaps.T if records < axes else gaps.T @ gaps
        return self._of(product / records)

    def _of(self, covariance: np.ndarray) -> float:
        return 0.5 * float(np.linalg.slogdet(np.eye(len(covariance)) + covariance / self.distortion)[1])

    def _weighted(self, gaps: np.ndarray, marks: np.ndarray, members: list[np.ndarray], weights: np.ndarray) -> float:
        gaps = gaps - weights @ gaps / len(gaps)
        scaled = gaps * np.sqrt(weights)[:, None]
        counts = weights @ marks
        of_classes = [
            self._of(scaled[rows].T @ scaled[rows] / count) for rows, count in zip(members, counts, strict=True)
        ]
        return self._of(scaled.T @ scaled / len(gaps)) - float(np.mean(of_classes))
