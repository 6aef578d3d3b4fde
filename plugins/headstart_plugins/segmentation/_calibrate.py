"""How honest the probabilities of pixels are, and the temperature that makes them more so, from sums over pixels.

Neighbouring pixels say nearly the same: one of STEP x STEP is judged, those at the same places in truth and answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from headstart.calibration import BINS, LOG_TEMPERATURES, bins_of, fit_temperature
from headstart.specs import Batch
from headstart_plugins._mask import VOID
from headstart_plugins.segmentation._head import LOGITS
from headstart_plugins.segmentation._resize import Grid

STEP = 4
"""Pixels along each side of which one is judged."""
NODES = np.linspace(*LOG_TEMPERATURES, 41)
"""Logarithms of the temperatures at which the mean negative log-likelihood is known; between them it is
interpolated."""


def judged(truth: np.ndarray, logits: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """True classes (pixel,) int64 and logits (class, pixel) float32 of the pixels that are judged and not void, of a
    mask (height, width) and `logits` (row, column, class)."""
    first = [min(STEP // 2, side - 1) for side in truth.shape]
    true = truth[first[0] :: STEP, first[1] :: STEP]
    said = true != VOID
    return true[said].astype(np.int64), grid.every(STEP).whole(logits)[:, said]


def likelihoods(true: np.ndarray, logits: np.ndarray, temperature: float) -> np.ndarray:
    """The log-probability (class, pixel) float64 of each class, of logits over the temperature."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=0)
    found: np.ndarray = scaled - np.log(np.exp(scaled).sum(axis=0))
    return found


class PixelCalibrator:
    """See `headstart.specs.Calibrator`: sums the negative log-likelihood at each of NODES."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._losses, self._pixels = np.zeros(len(NODES)), 0

    def update(self, targets: Batch, outputs: Batch) -> None:
        """See `headstart.specs.Calibrator`; in pixels of the input. Raises ValueError for logits that are not
        finite."""
        for truth, logits in zip(targets["mask"], outputs[LOGITS], strict=True):
            if not np.isfinite(logits).all():
                raise ValueError("logits to calibrate on are not finite")
            true, values = judged(truth, logits, Grid.of_input(self._size, logits.shape[:2]))
            own = np.arange(len(true))
            for place, log in enumerate(NODES):
                self._losses[place] -= likelihoods(true, values, float(np.exp(log)))[true, own].sum()
            self._pixels += len(true)

    def found(self) -> Mapping[str, Any]:
        """`temperature`: where the mean loss is least. Nothing where no pixel of val is labelled."""
        if not self._pixels:
            return {}
        curve = CubicSpline(NODES, self._losses / self._pixels)
        return {"temperature": fit_temperature(lambda temperature: float(curve(np.log(temperature))))}


class Honesty:
    """Sums of how sure answers are and how often they are right, without a temperature and with it."""

    def __init__(self, temperature: float) -> None:
        self._temperatures = (1.0, temperature)
        self._gaps, self._losses, self._pixels = np.zeros((2, BINS)), np.zeros(2), 0

    def add(self, truth: np.ndarray, logits: np.ndarray, grid: Grid) -> None:
        """Add one picture: its mask (height, width) and `logits` (row, column, class)."""
        true, values = judged(truth, logits, grid)
        right = values.argmax(axis=0) == true
        for place, temperature in enumerate(self._temperatures):
            logs = likelihoods(true, values, temperature)
            sure = np.exp(logs.max(axis=0))
            self._gaps[place] += np.bincount(bins_of(sure), sure - right, BINS)
            self._losses[place] -= logs[true, np.arange(len(true))].sum()
        self._pixels += len(true)

    def merge(self, other: Honesty) -> None:
        """Add the pictures of another one with the same temperature."""
        self._gaps, self._losses = self._gaps + other._gaps, self._losses + other._losses
        self._pixels += other._pixels

    def described(self) -> dict[str, dict[str, float]]:
        """`ece` (Guo et al. 2017, equation 3) and `nll` in nats a pixel, `before` and `after`; empty without a
        pixel."""
        if not self._pixels:
            return {}
        when = ("before", "after")
        errors = np.abs(self._gaps).sum(axis=1) / self._pixels
        losses = self._losses / self._pixels
        return {
            name: dict(zip(when, map(float, values), strict=True))
            for name, values in (("ece", errors), ("nll", losses))
        }
