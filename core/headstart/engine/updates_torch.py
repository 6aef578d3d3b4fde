"""One AdamW update in place on PyTorch: its own fused kernel, one pass over memory."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch

from headstart.engine.optimizer import BETA_1, BETA_2, EPSILON, GroupedAdamW


class FusedUpdate:
    """Applies gradients to an optimizer's weights and moments; weights of one rate and decay go together."""

    def __init__(self, optimizer: GroupedAdamW) -> None:
        self._optimizer = optimizer
        for variable in optimizer.variables:
            variable.value.data = variable.value.data.contiguous()  # as the moments are: the kernel ignores strides
        self._number: Any = torch.zeros((), dtype=torch.float32, device=optimizer.first[0].device)
        places: dict[tuple[int, float], list[int]] = defaultdict(list)
        for place, key in enumerate(zip(optimizer.groups, optimizer.decays, strict=True)):
            places[key].append(place)
        self._places = dict(places)

    def __call__(self, gradients: Sequence[Any]) -> None:
        """Update once; `gradients` are in the order of the weights."""
        optimizer = self._optimizer
        number = optimizer.count + 1
        self._number.fill_(number)
        rates = optimizer.rates(optimizer.count)
        # The kernel divides the root by this correction before it adds epsilon; Keras adds epsilon to the root alone.
        epsilon = EPSILON / math.sqrt(1 - BETA_2**number)
        with torch.no_grad():
            for (group, decay), places in self._places.items():
                torch._fused_adamw_(
                    [optimizer.variables[place].value for place in places],
                    [gradients[place].contiguous() for place in places],
                    [optimizer.first[place] for place in places],
                    [optimizer.second[place] for place in places],
                    [],
                    [self._number] * len(places),
                    lr=float(rates[group]),
                    beta1=BETA_1,
                    beta2=BETA_2,
                    weight_decay=decay,
                    eps=epsilon,
                    amsgrad=False,
                    maximize=False,
                )
        optimizer.count = number
