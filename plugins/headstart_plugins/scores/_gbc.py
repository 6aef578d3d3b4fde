"""Gaussian Bhattacharyya coefficient: how much classes overlap."""

from __future__ import annotations

import numpy as np

from headstart.specs import Observed, Scored, ScoreRequest
from headstart_plugins.scores._classes import indicators, refuse_constant

LEAST = 1e-6
"""The least variance of a class, as a share of the mean one: copies would be infinitely far from all others."""


class Bhattacharyya:
    """Pandy et al. 2022, arXiv:2111.12780: minus the sum over pairs of classes of exp(-D), D the Bhattacharyya distance
    of two Gaussians; on the 64 principal axes of the features, with one variance a class (the paper's "spherical").

    For means m, variances v and p axes: D = |m1 - m2|^2 / (8 v) + p/2 log(v / sqrt(v1 v2)), v = (v1 + v2) / 2. A class
    of one record has the mean variance of the others.

    Cost: the leading 64 axes of the shared decomposition; then classes squared numbers.

    Where it misleads: class sizes play no part, and so 0 is soon reached where classes are few and far apart: all good
    sources get the same; a class of several clusters has a wide Gaussian.
    """

    def __init__(self, request: ScoreRequest) -> None:
        """It has no options."""

    def measure(self, observed: Observed) -> Scored:
        """See `Score`."""
        refuse_constant(observed)
        gaps, marks = observed.spectrum.principal, indicators(observed)
        value = _overlap(gaps, marks, np.ones(len(gaps)))
        return Scored(value, np.array([_overlap(gaps, marks, weights) for weights in observed.weights]))


def _overlap(gaps: np.ndarray, marks: np.ndarray, weights: np.ndarray) -> float:
    axes, weighted = gaps.shape[1], marks * weights[:, None]
    counts, single = weighted.sum(axis=0), marks.sum(axis=0) < 2
    means = weighted.T @ gaps / counts[:, None]
    energies = weighted.T @ (gaps**2).sum(axis=1) / counts
    variances = np.maximum(energies - (means**2).sum(axis=1), 0.0) / axes
    shared = float((counts * variances)[~single].sum() / counts[~single].sum()) if not single.all() else 0.0
    shared = shared or float((weights @ (gaps**2).sum(axis=1)) / weights.sum() / axes)
    variances = np.maximum(np.where(single, shared, variances), LEAST * shared)
    apart = ((means[:, None] - means[None]) ** 2).sum(axis=2)
    joint = (variances[:, None] + variances[None]) / 2.0
    distance = apart / (8.0 * joint) + axes / 2.0 * np.log(joint / np.sqrt(variances[:, None] * variances[None]))
    overlap = np.exp(-distance)
    np.fill_diagonal(overlap, 0.0)
    return -float(overlap.sum())
