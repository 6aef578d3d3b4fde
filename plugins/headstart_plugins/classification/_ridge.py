"""Ridge regression on indicators of the classes; samples left out choose its strength and the scale of its logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from headstart.engine.linear.moments import Values
from headstart.engine.linear.pca import EigenBasis
from headstart.engine.linear.ridge import leave_out, ridge_weights
from headstart.engine.linear.rows import Rows
from headstart_plugins._heads.logistic import Weights
from headstart_plugins.classification._metrics import softened_loss

if TYPE_CHECKING:
    from headstart.specs.tasks import Batch

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
