"""AdamW with several learning rates at once, each a true rate of the update.

A scaled gradient changes nothing under Adam, so each stage's rate scales its updates. Rates follow a schedule that is
known in advance: a table of numbers, one row an update, so that a step compiled once reads its rates as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

EPSILON = 1e-8
"""Added to the root of the second moment before its bias is corrected, as Keras does it."""
BETA_1, BETA_2 = 0.9, 0.999
START_SHARE = 1 / 25
"""The first rate of a warm-up as a share of its peak, as in the one-cycle policy (Smith & Topin 2018)."""
NOT_DECAYED = ("bias", "gamma", "beta", "scale")


def schedule(peak: float, *, steps: int, warmup: float) -> np.ndarray:
    """The rate of each update, (steps + 1,) float64: up to `peak` in a line over the first `warmup` share of `steps`,
    then down to zero as a cosine."""
    rising = round(warmup * steps)
    falling = max(1, steps - rising)
    step = np.arange(steps + 1)
    line = peak * (START_SHARE + (1 - START_SHARE) * step / max(1, rising))
    cosine = peak * (1 + np.cos(np.pi * np.clip((step - rising) / falling, 0, 1))) / 2
    return np.where(step < rising, line, cosine)


class GroupedAdamW:
    """AdamW (Loshchilov & Hutter 2019) over named weights, one rate a stage; no decay on biases and norms.

    `first` and `second` are the moments, backend tensors in the order of `names`; `count` is the number of updates
    made. These three are all the state there is. Keras' `AdamW` of the same settings makes the same updates.
    """

    def __init__(
        self,
        named: Mapping[str, keras.Variable],
        rates: Mapping[str, float],
        *,
        steps: int,
        warmup: float,
        weight_decay: float,
    ) -> None:
        self.names = tuple(named)
        self.variables = list(named.values())
        self.first = [keras.ops.zeros(variable.shape, dtype="float32") for variable in self.variables]
        self.second = [keras.ops.zeros(variable.shape, dtype="float32") for variable in self.variables]
        self.count = 0
        stages = [name.partition("/")[0] for name in named]
        different = sorted({rates[stage] for stage in stages})
        self.groups = [different.index(rates[stage]) for stage in stages]
        """The column of `scales` that each weight follows."""
        self.decays = [0.0 if _is_undecayed(name) else weight_decay for name in named]
        """By how much of its rate an update shrinks each weight."""
        self._rates = np.stack([schedule(rate, steps=steps, warmup=warmup) for rate in different], axis=1)

    def rates(self, counts: np.ndarray | int) -> np.ndarray:
        """The rate of each group, (..., group) float64, for the update after `counts` (...) updates."""
        rows: np.ndarray = self._rates[np.minimum(counts, len(self._rates) - 1)]
        return rows

    def scales(self, counts: np.ndarray) -> np.ndarray:
        """What `updated` wants for the updates after `counts` (count,) updates: (count, group, 2) float32, each rate
        without and with the correction of the moments' bias."""
        rates, number = self.rates(counts), counts[:, None] + 1.0
        corrected = rates * np.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)
        return np.stack([rates, corrected], axis=2).astype(np.float32)

    def updated(
        self,
        values: Sequence[Any],
        first: Sequence[Any],
        second: Sequence[Any],
        gradients: Sequence[Any],
        scale: Any,
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Pure form: new values and moments from one row of `scales`; all in the order of `names`."""
        first = [old + (new - old) * (1 - BETA_1) for old, new in zip(first, gradients, strict=True)]
        second = [old + (new * new - old) * (1 - BETA_2) for old, new in zip(second, gradients, strict=True)]
        new_values = []
        for place, value in enumerate(values):
            rate, corrected = scale[self.groups[place]]
            kept = value - value * (self.decays[place] * rate) if self.decays[place] else value
            moved = first[place] * corrected / (keras.ops.sqrt(second[place]) + EPSILON)
            new_values.append(kept - moved)
        return new_values, first, second

    def store(self, first: Sequence[Any], second: Sequence[Any], count: int) -> None:
        """Take over the state that a pure form came to."""
        self.first, self.second, self.count = list(first), list(second), count


def _is_undecayed(name: str) -> bool:
    return name.rpartition("/")[2].startswith(NOT_DECAYED)
