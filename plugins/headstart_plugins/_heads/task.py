"""What tasks share whose head is linear, or has one hidden layer, on pooled features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from headstart.specs import TensorSpec
from headstart.specs.tasks import Batch

if TYPE_CHECKING:
    import keras


LOGITS = "logits"


@dataclass(frozen=True)
class LinearHeadTask(ABC):
    """A task with a head on "pooled" that gives one output (batch, unit); the part of `headstart.specs.Task` that does
    not depend on what is predicted, and MixesTargets.

    `output` names what the head gives.
    """

    dropout: float = field(default=0.0, kw_only=True)
    features: tuple[str, ...] = field(default=("pooled",), kw_only=True)
    output: str = field(default=LOGITS, kw_only=True)

    @property
    @abstractmethod
    def units(self) -> int:
        """How many numbers the head gives."""

    @property
    @abstractmethod
    def targets(self) -> Mapping[str, TensorSpec]:
        """See Task."""

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """A model {"pooled": (None, channel)} -> {output: (None, unit)}: "linear", "mlp" or "mlp:512".

        Raises UsageError for a name it does not know or a feature of another shape.
        """
        from headstart_plugins._heads.networks import build_head, plan_head

        return build_head(plan_head(name, self.dropout, units=self.units, output=self.output), features, seed=seed)

    def mix(self, targets: Batch, partners: Batch, shares: np.ndarray) -> dict[str, np.ndarray]:
        """See MixesTargets: float32, `shares` of the targets and the rest of the partners'."""
        return {name: blend(own, partners[name], shares) for name, own in targets.items()}


def blend(own: np.ndarray, other: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """`shares` (batch,) of `own` (batch, ...), the rest of `other`: (batch, ...) float32."""
    weights = shares.astype(np.float32).reshape(-1, *(1,) * (own.ndim - 1))
    blended: np.ndarray = (weights * own + (1 - weights) * other).astype(np.float32)
    return blended
