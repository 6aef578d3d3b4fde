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
    """Weights of one rate and decay, by their places among all, their moments, and what they are drawn to, if so."""

    group: int
    decay: float
    places: Sequence[int]
    values: list[Any]
    first: list[Any]
    second: list[Any]
    numbers: list[Any]
    anchors: list[Any]


class FusedUpdate:
    """Applies gradients to an optimizer's weights and moments."""

    def __init__(self, optimizer: GroupedAdamW) -> None:
        self._optimizer = optimizer
        self._number: Any = torch.zeros((), dtype=torch.float32, device=optimizer.first[0].device)
        places: dict[tuple[int, float, bool], list[int]] = defaultdict(list)
        drawn = [anchor is not None for anchor in optimizer.anchors]
        for place, key in enumerate(zip(optimizer.groups, optimizer.decays, drawn, strict=True)):
            places[key].append(place)
        self._together = [self._gather(group, decay, places) for (group, decay, _), places in places.items()]
        self._values = [variable.value for variable in optimizer.variables]

    def _gather(self, group: int, decay: float, places: Sequence[int]) -> Together:
        optimizer = self._optimizer
        values = [optimizer.variables[place].value for place in places]
        for value in values:
            value.data = value.data.contiguous()  # as the moments are: the kernel ignores strides
        first, second = ([moments[place] for place in places] for moments in (optimizer.first, optimizer.second))
        anchors = [optimizer.anchors[place] for place in places if optimizer.anchors[place] is not None]
        return Together(group, decay, places, values, first, second, [self._number] * len(places), anchors)

    def __call__(self, gradients: Sequence[Any], norm: Any | None = None) -> None:
        """Update once; `gradients` are in the order of the weights, `norm` is their norm together where it is known."""
        optimizer, number = self._optimizer, self._optimizer.count + 1
        self._number.fill_(number)
        rates = optimizer.rates(optimizer.count)
        # The kernel divides the root by this correction before it adds epsilon; Keras adds epsilon to the root alone.
        epsilon = EPSILON / math.sqrt(1 - BETA_2**number)
        with torch.no_grad():
            shrunk = self._shrunk_by(gradients, norm)
            for each in self._together:
                rate = float(rates[each.group])
                before = torch._foreach_sub(each.values, each.anchors) if each.anchors else []
                torch._fused_adamw_(
                    each.values,
                    [gradients[place].contiguous() for place in each.places],
                    each.first,
                    each.second,
                    [],
                    each.numbers,
                    lr=rate,
                    beta1=BETA_1,
                    beta2=BETA_2,
                    weight_decay=each.decay,
                    eps=epsilon,
                    amsgrad=False,
                    maximize=False,
                    grad_scale=shrunk,
                )
                if before:
                    torch._foreach_add_(each.values, before, alpha=-rate * optimizer.rules.pull)
            if optimizer.averages:
                share = float(optimizer.average_share(optimizer.count))
                torch._foreach_lerp_(optimizer.averages, self._values, weight=share)
        optimizer.count = number

    def _shrunk_by(self, gradients: Sequence[Any], norm: Any | None) -> Any | None:
        """What the kernel is to divide gradients by, so that their norm together is at most the limit."""
        clip = self._optimizer.rules.clip
        if not clip:
            return None
        return (norm_of(gradients) if norm is None else norm).div(clip).clamp(min=1.0)


def norm_of(tensors: Sequence[Any]) -> Any:
    """The norm of all numbers together, a scalar on the device; not finite where one of them is not."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(tensors))))
