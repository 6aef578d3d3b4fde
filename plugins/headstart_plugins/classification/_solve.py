"""The ridge among the linear heads on frozen features: its strength, and what makes logits of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from headstart.engine.linear.pca import EigenBasis, Values, leave_out, ridge_weights
from headstart.engine.linear.rows import Rows
from headstart_plugins._heads.logistic import Weights

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

LEFT_OUT = 4096
"""Samples that are left out in turn, at most: enough for one strength and one number."""
LOG_SCALES = (-3.0, 12.0)
"""Natural logarithms of the least and the largest scale of the logits."""


def choose_ridge(rows: Rows, spectrum: EigenBasis, strengths: Sequence[float], values: Values) -> tuple[float, Weights]:
    """The strength whose left-out answers have the least cross-entropy at their best scale, and the head at that scale.

    A ridge on indicators, which `values` gives, answers with numbers near 0 and 1, not with logits. One factor for all
    of them, as in temperature scaling (Guo et al. 2017, arXiv:1706.04599), makes probabilities of them and changes no
    decision. Where every sample left out is answered rightly, no factor would be too large: so each target gives up a
    share of 1 / (samples + 2) to all classes, after Platt 1999.
    """
    left = leave_out(spectrum, rows, values, strengths, LEFT_OUT)
    scales = [_best_scale(answers, left.targets["class"]) for answers in left.answers]
    best = min(range(len(strengths)), key=lambda place: scales[place].fun)
    scale, strength = float(np.exp(scales[best].x)), strengths[best]
    return strength, Weights(scale * ridge_weights(spectrum, strength), scale * spectrum.target_mean)


def _best_scale(answers: np.ndarray, targets: np.ndarray) -> OptimizeResult:
    """The logarithm `x` of the scale of `answers` (sample, class) with the least loss, `fun`: the mean cross-entropy of
    `targets` (sample,), in nats, each with 1 / (samples + 2) of it spread over all classes."""
    share = 1.0 / (len(targets) + 2)

    def softened_loss(log_scale: float) -> float:
        logs = special.log_softmax(np.exp(log_scale) * answers, axis=1)
        return float(-np.mean((1.0 - share) * logs[np.arange(len(targets)), targets] + share * logs.mean(axis=1)))

    from scipy.optimize import minimize_scalar  # which those who only answer do without

    return minimize_scalar(softened_loss, bounds=LOG_SCALES, method="bounded", options={"xatol": 1e-4})
