"""From logits to the loss of a linear model: softmax for one class a sample, a sigmoid a label for several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special


@dataclass(frozen=True)
class Seen:
    """Of some rows: the sum of losses, its gradient to each logit, `residuals` (row, output), and the sum over rows
    of the mean curvature in a logit."""

    loss: float
    residuals: np.ndarray
    curvature: float


class Link(Protocol):
    """The loss of `logits` (row, output) float64, which it may overwrite, under `targets` (row, ...)."""

    def __call__(self, logits: np.ndarray, targets: np.ndarray) -> Seen:
        """See the class."""


@dataclass(frozen=True)
class Softmax:
    """-log softmax(logits)[target], times the target's weight where there are `weights` (class,); targets are (row,)
    classes."""

    weights: np.ndarray | None = None

    def __call__(self, logits: np.ndarray, targets: np.ndarray) -> Seen:
        """See `Link`."""
        logits -= logits.max(axis=1, keepdims=True)
        picked = np.arange(len(targets)), targets
        right = logits[picked]
        probability = np.exp(logits, out=logits)
        total = probability.sum(axis=1, keepdims=True)
        losses = np.log(total[:, 0]) - right
        probability /= total
        doubt = 1.0 - np.einsum("rc,rc->r", probability, probability)
        probability[picked] -= 1.0
        if self.weights is not None:
            weights = self.weights[targets]
            losses, doubt = losses * weights, doubt * weights
            probability *= weights[:, None]
        return Seen(float(losses.sum()), probability, float(doubt.sum()) / (logits.shape[1] - 1))


class Sigmoid:
    """The sum over labels of log(1 + exp(logit)) - target * logit; targets are (row, label), 0 or 1."""

    def __call__(self, logits: np.ndarray, targets: np.ndarray) -> Seen:
        """See `Link`."""
        loss = float(np.sum(np.logaddexp(0.0, logits) - targets * logits))
        probability = special.expit(logits)
        doubt = float(np.sum(probability * (1.0 - probability))) / logits.shape[1]
        return Seen(loss, probability - targets, doubt)
