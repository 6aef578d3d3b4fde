"""How a weight follows its gradient: one rule an optimizer, of one weight of any shape, the same on both backends.

Moments move as `old + (new - old) * share`. There a compiler has one way alone to multiply and add at once, so that the
loop on the device and the single step come to the same bits; `old * kept + new * share` would leave it two.

Each is what Keras' own optimizer of that name does (keras 3.15, `keras/src/optimizers`), but for Adam's epsilon, whose
default is 1e-7 there and 1e-8 here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np

from headstart.specs import Phase

EPSILON = 1e-8
"""Added to the root of the second moment before its bias is corrected, as Keras does it."""
BETA_1, BETA_2 = 0.9, 0.999
RHO = 0.9
ROOT_EPSILON = 1e-7
"""What RMSprop adds to the mean square before its root is taken, as Keras does it."""


class Followed(NamedTuple):
    """What is to be taken from a weight, and the moments after that; None for one that the rule does not hold."""

    change: Any
    first: Any | None = None
    second: Any | None = None


class UpdateRule(Protocol):
    """How an optimizer follows a gradient, clipped already; decay and the pull to a start are not its own."""

    @property
    def moments(self) -> tuple[str, ...]:
        """Which moments it holds for each weight, of "first" and "second"; they begin at 0."""

    def corrected(self, rates: np.ndarray, number: np.ndarray) -> np.ndarray:
        """The `rates` (update, group) float64 times what `follow` wants to be corrected of its moments at the update of
        that `number` (update, 1), counted from 1."""

    def follow(self, gradient: Any, first: Any, second: Any, rate: Any, corrected: Any) -> Followed:
        """Pure form of one weight: tensors of its shape, None for a moment that is not held, and two scalars."""


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980), with decoupled decay AdamW (Loshchilov & Hutter 2019)."""

    @property
    def moments(self) -> tuple[str, ...]:
        """See `UpdateRule`."""
        return ("first", "second")

    def corrected(self, rates: np.ndarray, number: np.ndarray) -> np.ndarray:
        """See `UpdateRule`."""
        found: np.ndarray = rates * np.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)
        return found

    def follow(self, gradient: Any, first: Any, second: Any, rate: Any, corrected: Any) -> Followed:
        """See `UpdateRule`."""
        first = first + (gradient - first) * (1 - BETA_1)
        second = second + (gradient * gradient - second) * (1 - BETA_2)
        return Followed(first * corrected / (keras.ops.sqrt(second) + EPSILON), first, second)


@dataclass(frozen=True)
class Sgd:
    """Gradient descent, of stochastic gradients. With `momentum`, from 0 to below 1, the first moment is a velocity:
    the rate is in it, so that what was gathered at a higher rate goes on at that, as in Keras and not in PyTorch."""

    momentum: float = 0.0

    @property
    def moments(self) -> tuple[str, ...]:
        """See `UpdateRule`."""
        return ("first",) if self.momentum else ()

    def corrected(self, rates: np.ndarray, number: np.ndarray) -> np.ndarray:
        """See `UpdateRule`: there is no bias, but a moment as `follow` moves it is a mean, and a velocity a sum."""
        return rates / (1 - self.momentum)

    def follow(self, gradient: Any, first: Any, second: Any, rate: Any, corrected: Any) -> Followed:
        """See `UpdateRule`."""
        if not self.momentum:
            return Followed(gradient * rate)
        velocity = first + (gradient * corrected - first) * (1 - self.momentum)  # momentum * first + rate * gradient
        return Followed(velocity, velocity)


@dataclass(frozen=True)
class RmsProp:
    """RMSprop (Hinton 2012, lecture 6e), neither centred nor with momentum: the second moment is not corrected."""

    @property
    def moments(self) -> tuple[str, ...]:
        """See `UpdateRule`."""
        return ("second",)

    def corrected(self, rates: np.ndarray, number: np.ndarray) -> np.ndarray:
        """See `UpdateRule`: none is made."""
        return rates

    def follow(self, gradient: Any, first: Any, second: Any, rate: Any, corrected: Any) -> Followed:
        """See `UpdateRule`."""
        second = second + (gradient * gradient - second) * (1 - RHO)
        return Followed(gradient * rate / keras.ops.sqrt(second + ROOT_EPSILON), None, second)


RULES: Mapping[str, Callable[[Phase], UpdateRule]] = {
    "adamw": lambda phase: Adam(),
    "adam": lambda phase: Adam(),
    "sgd": lambda phase: Sgd(phase.momentum),
    "rmsprop": lambda phase: RmsProp(),
}


def update_rule(phase: Phase) -> UpdateRule:
    """The rule that `phase` names."""
    return RULES[phase.optimizer](phase)
