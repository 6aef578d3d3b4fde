"""Several learning rates at once, each a true rate of the update, whatever rule the update follows.

A scaled gradient changes nothing under Adam, so each stage's rate scales its updates. Rates follow a schedule that is
known in advance: a table of numbers, one row an update, so that a step compiled once reads its rates as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

import keras
import numpy as np

from headstart.engine.train.update_rules import Adam, UpdateRule
from headstart.specs import HEAD, Batch, RateSchedule

START_SHARE = 1 / 25
"""The first rate of a warm-up as a share of its peak, as in the one-cycle policy (Smith & Topin 2018)."""
NOT_DECAYED = ("bias", "gamma", "beta", "scale")


@dataclass(frozen=True)
class Schedule:
    """How rates go over `steps` updates: up to their peak in a line over the first `warmup` share, 0 to below 1; then
    down to zero as a cosine ("cosine", Loshchilov & Hutter 2017, arXiv:1608.03983), or on at the peak ("constant")."""

    steps: int
    warmup: float = 0.0
    kind: RateSchedule = "cosine"

    @property
    def rising(self) -> int:
        """The updates over which rates rise: the share `warmup` of all, one at least where it is not 0."""
        return max(round(self.warmup * self.steps), 1) if self.warmup else 0

    def rates(self, peak: float) -> np.ndarray:
        """The rate of each update, (steps + 1,) float64."""
        rising = self.rising
        falling = max(1, self.steps - rising)
        step = np.arange(self.steps + 1)
        line = peak * (START_SHARE + (1 - START_SHARE) * step / max(1, rising))
        cosine = peak * (1 + np.cos(np.pi * np.clip((step - rising) / falling, 0, 1))) / 2
        return np.where(step < rising, line, peak if self.kind == "constant" else cosine)


@dataclass(frozen=True)
class Rules:
    """What an update does beside following its gradient.

    Weights shrink by `weight_decay` times their rate: all but biases, norms and others of one axis, decoupled from the
    gradient whatever the optimizer is (Loshchilov & Hutter 2019). Gradients together are clipped to the norm `clip` (0:
    not at all); weights of the backbone are drawn to where they began by `l2_sp` times their rate, and are not decayed
    then (L2-SP of Li et al. 2018, arXiv:1802.01483, which takes the place of weight decay; decoupled as that is).
    `average` is the decay of a moving average of the weights (0: none), smaller in the first updates: (1 + n) /
    (10 + n) after n, so that it does not stay where training began.
    """

    weight_decay: float = 0.0
    clip: float = 0.0
    l2_sp: float = 0.0
    average: float = 0.0


class GroupedOptimizer:
    """Named weights that follow their gradients by the rule `update`, at one rate a stage.

    `first` and `second` are the moments, each empty where the rule holds none, `averages` the moving average (empty
    without one): backend tensors in the order of `names`; `count` is the number of updates made. These four are all the
    state there is. Keras' own optimizer of the same settings makes the same updates. `stages` are those of the weights.
    """

    def __init__(
        self,
        named: Mapping[str, keras.Variable],
        rates: Mapping[str, float],
        schedule: Schedule,
        *,
        update: UpdateRule = Adam(),  # noqa: B008 - frozen
        rules: Rules = Rules(),
    ) -> None:
        self.names = tuple(named)
        self.variables = list(named.values())
        self.update, self.rules = update, rules
        self.begin_again()
        self.factor = 1.0
        """By which every rate of the schedule is multiplied."""
        self.stages = [name.partition("/")[0] for name in named]
        different = sorted({rates[stage] for stage in self.stages})
        self.groups = [different.index(rates[stage]) for stage in self.stages]
        """The column of `scales` that each weight follows."""
        self.anchors: list[Any | None] = [
            copied(variable) if rules.l2_sp and stage != HEAD else None
            for variable, stage in zip(self.variables, self.stages, strict=True)
        ]
        """Where each weight is drawn to, None where it is not."""
        exempt = [
            anchor is not None or is_undecayed(name, len(variable.shape))
            for anchor, (name, variable) in zip(self.anchors, named.items(), strict=True)
        ]
        self.decays = [0.0 if each else rules.weight_decay for each in exempt]
        """By how much of its rate an update shrinks each weight."""
        self.table = np.stack([schedule.rates(rate) for rate in different], axis=1)
        """The rate of each group (update, group), float64; the last row is that of all updates after it."""

    def rates(self, counts: np.ndarray | int) -> np.ndarray:
        """The rate of each group, (..., group) float64, for the update after `counts` (...) updates."""
        rows: np.ndarray = self.table[np.minimum(counts, len(self.table) - 1)]
        return rows * self.factor

    def average_share(self, counts: np.ndarray | int) -> Any:
        """The share that the new weights get in the moving average, (...), after `counts` (...) updates."""
        return 1.0 - np.minimum(self.rules.average, (1.0 + counts) / (10.0 + counts))

    def scales(self, counts: np.ndarray) -> np.ndarray:
        """What `updated` wants for the updates after `counts` (count,) updates: (count, group + 1, 2) float32, each
        rate as it is and as the rule wants it corrected; then the average's share."""
        rates = self.rates(counts)
        corrected = self.update.corrected(rates, counts[:, None] + 1.0)
        shares = np.broadcast_to(self.average_share(counts)[:, None, None], (len(counts), 1, 2))
        return np.concatenate([np.stack([rates, corrected], axis=2), shares], axis=1).astype(np.float32)

    def updated(self, state: Moments, gradients: Sequence[Any], anchors: Sequence[Any], scale: Any) -> Moments:
        """Pure form: the next weights and moments from one row of `scales`; all in the order of `names`.

        `anchors` are those of the weights that have one, shaped as the weights of `state` are.
        """
        if self.rules.clip:
            gradients = clipped(gradients, self.rules.clip)
        held = zip_longest(gradients, state.first, state.second)  # None for a moment that the rule does not hold
        pulled = iter(anchors)
        values = []
        followed = []
        for place, (value, each) in enumerate(zip(state.values, held, strict=True)):
            rate, corrected = scale[self.groups[place]]
            kept = value - value * (self.decays[place] * rate) if self.decays[place] else value
            if self.anchors[place] is not None:
                kept = kept - (value - next(pulled)) * (self.rules.l2_sp * rate)
            followed.append(self.update.follow(*each, rate, corrected))
            values.append(kept - followed[-1].change)
        first = [each.first for each in followed if each.first is not None]
        second = [each.second for each in followed if each.second is not None]
        averages = [old + (new - old) * scale[-1][0] for old, new in zip(state.averages, values, strict=False)]
        return Moments(values, first, second, averages)

    def store(self, state: Moments, count: int) -> None:
        """Take over the moments and the average that a pure form came to."""
        self.first, self.second, self.averages = list(state.first), list(state.second), list(state.averages)
        self.count = count

    def restore(self, first: Batch, second: Batch, averages: Batch, *, count: int) -> None:
        """Take over what was saved: arrays by name, empty where the optimizer holds none."""
        self.first, self.second = (
            self._tensors(arrays) if kind in self.update.moments else []
            for kind, arrays in (("first", first), ("second", second))
        )
        self.averages = self._tensors(averages) if self.rules.average else []
        self.count = count

    def begin_again(self) -> None:
        """As before the first update, the weights as they are now."""
        self.first, self.second = (
            [_tensor(np.zeros(variable.shape, np.float32)) for variable in self.variables]
            if kind in self.update.moments
            else []
            for kind in ("first", "second")
        )
        self.averages = [copied(variable) for variable in self.variables] if self.rules.average else []
        self.count = 0

    def _tensors(self, arrays: Batch) -> list[Any]:
        return [_tensor(np.array(arrays[name], copy=True)) for name in self.names]


class Moments(NamedTuple):
    """What an update changes: weights, the moments of their gradients that its rule holds, and the weights' moving
    average; each of these is empty where there is none."""

    values: Sequence[Any]
    first: Sequence[Any]
    second: Sequence[Any]
    averages: Sequence[Any]

    @property
    def lasting(self) -> Sequence[Any]:
        """Where a gradient that is not finite stays for good: in first moments, or without any in the weights."""
        return self.first or self.values


def copied(variable: keras.Variable) -> Any:
    """A backend tensor of its own with a variable's numbers."""
    return _tensor(np.array(keras.ops.convert_to_numpy(variable), copy=True))


def _tensor(array: np.ndarray) -> Any:
    """`array` on the backend; with its type said JAX compiles nothing for a new shape (jax 0.10.2)."""
    return keras.ops.convert_to_tensor(array, dtype=str(array.dtype))


def clipped(gradients: Sequence[Any], limit: float) -> list[Any]:
    """All gradients scaled alike so that their norm together is at most `limit` (Pascanu et al. 2013)."""
    norm = keras.ops.sqrt(sum(keras.ops.sum(keras.ops.square(each)) for each in gradients))
    factor = keras.ops.minimum(1.0, limit / norm)
    return [gradient * factor for gradient in gradients]


def is_undecayed(name: str, axes: int) -> bool:
    """True for biases, scales and shifts of norms, and any other weight of one axis, such as LayerScale's."""
    return axes < 2 or name.rpartition("/")[2].startswith(NOT_DECAYED)
