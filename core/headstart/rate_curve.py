"""What a learning-rate range test says: losses over rising rates, smoothed, and the rates that they suggest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

BETA = 0.9
"""What a step's average keeps of the one before: about ten steps count."""
AROUND = 0.8
"""What a neighbour's weight is times that of the one nearer by, where both sides count: about nine steps do."""
STOP = 4.0
"""Times its least at which the smoothed loss has risen enough to stop."""
LEAST = 10
"""Steps below which a curve says nothing."""
CLEAR = 2.0
"""Standard deviations of a single loss by which the smoothed loss must have fallen. Of curves of normal noise of up
to 1,000 steps, fewer than 1 in 500 fall as far (tests/core/test_rate_curve.py draws some)."""
WORTH = 0.02
"""Of the first smoothed loss: less than that is no fall to choose a rate by."""


def smoothed_so_far(losses: np.ndarray) -> np.ndarray:
    """The exponential average of `losses` (step,) up to each, (step,) float64, with its bias corrected.

    average = BETA * average + (1 - BETA) * loss from 0 on, over 1 - BETA ** number (Kingma & Ba 2015, section 3).
    """
    average, found = 0.0, []
    for number, loss in enumerate(np.asarray(losses, np.float64), start=1):
        average = BETA * average + (1 - BETA) * float(loss)
        found.append(average / (1 - BETA**number))
    return np.array(found)


def smoothed(losses: np.ndarray) -> np.ndarray:
    """The average of `losses` (step,) around each step, (step,) float64: AROUND to the power of its distance is the
    weight of a loss, on both sides, over the sum of the weights.

    An average of what came before lags by BETA / (1 - BETA) steps, which on a scale of rates is a factor; looking both
    ways does not.
    """
    steps = np.arange(len(losses))
    weights = AROUND ** np.abs(steps[:, np.newaxis] - steps)
    found: np.ndarray = weights @ np.asarray(losses, np.float64) / weights.sum(axis=1)
    return found


@dataclass(frozen=True)
class RateCurve:
    """The loss after an update at each of the rising `rates`; both (step,) float64, all finite.

    `steepest` and `tenth` are rates that it suggests: where the smoothed loss falls the fastest over the logarithm of
    the rate, and a tenth of where it is the least. Both are None where the curve is too flat to say.
    """

    rates: np.ndarray
    losses: np.ndarray

    @cached_property
    def smoothed(self) -> np.ndarray:
        """See the function of this name."""
        return smoothed(self.losses)

    @cached_property
    def _judged(self) -> np.ndarray:
        """As `smoothed`; what is above all of the first LEAST losses counts as the greatest of them, so that the rise
        at the end does not hide the fall before it."""
        return smoothed(np.minimum(self.losses, np.max(self.losses[:LEAST], initial=-np.inf)))

    @cached_property
    def least(self) -> int | None:
        """The step of the least smoothed loss; None for a curve of fewer than LEAST steps."""
        return int(np.argmin(self._judged)) if len(self.rates) >= LEAST else None

    @property
    def tenth(self) -> float | None:
        """A tenth of the rate of the least smoothed loss, not below the lowest rate; None as `steepest` is."""
        if self.least is None or self.is_flat:
            return None
        return max(float(self.rates[self.least]) / 10, float(self.rates[0]))

    @property
    def is_flat(self) -> bool:
        """Whether the loss fell by no more than chance, or by too little to matter, before its least."""
        if self.least is None or self.least < 2:
            return True
        start = float(self._judged[0])
        fall = start - float(self._judged[self.least])
        return bool(fall <= max(CLEAR * self.noise, WORTH * abs(start)))

    @property
    def noise(self) -> float:
        """The standard deviation of a loss around the curve, from the median difference of neighbours, to which neither
        a slow fall nor the rise at the end adds; 0.6745 is the median of |x| of a standard normal x."""
        return float(np.median(np.abs(np.diff(self.losses))) / np.sqrt(2) / 0.6745)

    @property
    def steepest(self) -> float | None:
        """The rate of the steepest fall before the least loss."""
        if self.least is None or self.is_flat:
            return None
        slopes = np.gradient(self._judged, np.log(self.rates))
        return float(self.rates[int(np.argmin(slopes[: self.least + 1]))])
