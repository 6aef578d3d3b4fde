"""One AdamW update in place on PyTorch: its own fused kernel, one pass over memory."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from headstart.engine.optimizer import BETA_1, BETA_2, EPSILON, GroupedAdamW


@dataclass(frozen=True)
class Together:
    """Weights of one rate and decay, by their places among all, and their moments."""

    group: int
    decay: float
    places: Sequence[int]
    values: list[Any]
    first: list[Any]
    second: list[Any]
    numbers: list[Any]


class FusedUpdate:
    """Applies gradients to an optimizer's weights and moments."""

    def __init__(self, optimizer: GroupedAdamW) -> None:
        self._optimizer = optimizer
        self._number: Any = torch.zeros((), dtype=torch.float32, device=optimizer.first[0].device)
        places: dict[tuple[int, float], list[int]] = defaultdict(list)
        for place, key in enumerate(zip(optimizer.groups, optimizer.decays, strict=True)):
            places[key].append(place)
        self._together = [self._gather(*key, places) for key, places in places.items()]

    def _gather(self, group: int, decay: float, places: Sequence[int]) -> Together:
        optimizer = self._optimizer
        values = [optimizer.variables[place].value for place in places]
        for value in values:
            value.data = value.data.contiguous()  # as the moments are: the kernel ignores strides
        first, second = ([moments[place] for place in places] for moments in (optimizer.first, optimizer.second))
        return Together(group, decay, places, values, first, second, [self._number] * len(places))

    def __call__(self, gradients: Sequence[Any]) -> None:
        """Update once; `gradients` are in the order of the weights."""
        number = self._optimizer.count + 1
        self._number.fill_(number)
        rates = self._optimizer.rates(self._optimizer.count)
        # The kernel divides the root by this correction before it adds epsilon; Keras adds epsilon to the root alone.
        epsilon = EPSILON / math.sqrt(1 - BETA_2**number)
        with torch.no_grad():
            for each in self._together:
                torch._fused_adamw_(
                    each.values,
                    [gradients[place].contiguous() for place in each.places],
                    each.first,
                    each.second,
                    [],
                    each.numbers,
                    lr=float(rates[each.group]),
                    beta1=BETA_1,
                    beta2=BETA_2,
                    weight_decay=each.decay,
                    eps=epsilon,
                    amsgrad=False,
                    maximize=False,
                )
        self._optimizer.count = number
