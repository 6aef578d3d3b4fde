"""Several learning rates at once, each a true rate of the update.

Keras optimizers have one rate, and scaling gradients changes nothing under Adam. So weights that share a rate share one
AdamW, and each AdamW follows its own schedule over the same number of steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

EPSILON = 1e-8
START_SHARE = 1 / 25
"""The first rate of a warm-up as a share of its peak, as in the one-cycle policy (Smith & Topin 2018)."""
NOT_DECAYED = ("bias", "gamma", "beta", "scale")


def schedule(peak: float, *, steps: int, warmup: float) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up to `peak` over the first `warmup` share of `steps`, then a cosine to zero."""
    rising = round(warmup * steps)
    falling = max(1, steps - rising)
    if rising == 0:
        return keras.optimizers.schedules.CosineDecay(peak, falling)
    return keras.optimizers.schedules.CosineDecay(peak * START_SHARE, falling, warmup_target=peak, warmup_steps=rising)


@dataclass(frozen=True)
class Group:
    """The weights, by position among all trainable ones, that one AdamW updates."""

    positions: tuple[int, ...]
    optimizer: keras.optimizers.Optimizer


class GroupedAdamW:
    """AdamW (Loshchilov & Hutter 2019) over named weights, one rate a stage; no decay on biases and norms."""

    def __init__(
        self,
        named: Mapping[str, keras.Variable],
        rates: Mapping[str, float],
        *,
        steps: int,
        warmup: float,
        weight_decay: float,
    ) -> None:
        self.variables = list(named.values())
        stage_of = [name.partition("/")[0] for name in named]
        self.groups = []
        for rate in sorted({rates[stage] for stage in stage_of}):
            positions = tuple(i for i, stage in enumerate(stage_of) if rates[stage] == rate)
            optimizer = keras.optimizers.AdamW(
                schedule(rate, steps=steps, warmup=warmup), weight_decay=weight_decay, epsilon=EPSILON
            )
            mine = [self.variables[i] for i in positions]
            names = [list(named)[i] for i in positions]
            undecayed = [v for v, name in zip(mine, names, strict=True) if _is_undecayed(name)]
            if undecayed:
                optimizer.exclude_from_weight_decay(var_list=undecayed)
            optimizer.build(mine)
            self.groups.append(Group(positions, optimizer))

    @property
    def state(self) -> list[list[Any]]:
        """The optimizers' slots and step counters, a list a group, as backend tensors."""
        return [[variable.value for variable in group.optimizer.variables] for group in self.groups]

    def stateless_apply(
        self, state: Sequence[Sequence[Any]], gradients: Sequence[Any], values: Sequence[Any]
    ) -> tuple[list[Any], list[list[Any]]]:
        """Pure form for a traced step: new values and new state from gradients; all in the order of the weights."""
        new_values = list(values)
        new_state = []
        for group, slots in zip(self.groups, state, strict=True):
            updated, new_slots = group.optimizer.stateless_apply(
                list(slots), [gradients[i] for i in group.positions], [values[i] for i in group.positions]
            )
            for position, value in zip(group.positions, updated, strict=True):
                new_values[position] = value
            new_state.append(list(new_slots))
        return new_values, new_state

    def store_state(self, state: Sequence[Sequence[Any]]) -> None:
        """Put the state of the pure form back into the optimizers."""
        for group, slots in zip(self.groups, state, strict=True):
            for variable, value in zip(group.optimizer.variables, slots, strict=True):
                variable.assign(value)

    def apply(self, gradients: Sequence[Any]) -> None:
        """Eager form: update the weights in place."""
        for group in self.groups:
            group.optimizer.apply([gradients[i] for i in group.positions], [self.variables[i] for i in group.positions])


def _is_undecayed(name: str) -> bool:
    return name.rpartition("/")[2].startswith(NOT_DECAYED)
