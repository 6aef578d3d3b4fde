"""What tasks share whose head is linear, or has one hidden layer, on pooled features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from headstart.engine.linear.pca import EigenBasis
from headstart.errors import UsageError
from headstart.specs import Batch, Solved, TensorSpec, read_head
from headstart_plugins._heads.logistic import Weights

if TYPE_CHECKING:
    import keras

DEFAULT_WIDTH = 512
RIDGE = "ridge"
"""The solver of a head that was solved for as a ridge regression."""


@dataclass(frozen=True)
class LinearHeadTask(ABC):
    """A task with a head on "pooled" that gives one output (batch, unit); the part of `headstart.specs.Task` that does
    not depend on what is predicted, and MixesTargets.

    `output` names what the head gives.
    """

    dropout: float = field(default=0.0, kw_only=True)
    features: tuple[str, ...] = field(default=("pooled",), kw_only=True)
    output: str = field(default="logits", kw_only=True)
    higher_is_better: bool = field(default=True, kw_only=True)

    @property
    @abstractmethod
    def units(self) -> int:
        """How many numbers the head gives."""

    @property
    @abstractmethod
    def targets(self) -> Mapping[str, TensorSpec]:
        """See Task."""

    @abstractmethod
    def values(self, targets: Batch) -> np.ndarray:
        """What a ridge regression is to answer: encoded `targets` as (row, unit) float64."""

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """A Functional model {"pooled": (batch, channel)} -> {output: (batch, unit)}, all in float32: "linear", "mlp"
        or "mlp:512". Dropout is of the hidden units, or of a linear head's features.

        Kernels are Glorot-uniform (Glorot & Bengio 2010) and drawn by numpy from `seed`, so that every backend starts
        from the same numbers; biases are zero. Raises UsageError for another name or a feature of another shape.
        """
        import keras

        kind, width = read_head(name)
        if name != "linear" and kind != "mlp":
            raise UsageError(f"unknown head {name!r}; expected linear, mlp or mlp:WIDTH", hint="try `--head linear`")
        shape = features.get("pooled", ())
        channels = shape[-1] if len(shape) == 2 else None
        if channels is None:
            raise UsageError(
                f"the head needs the feature 'pooled' of shape (batch, channel); received {dict(features)}"
            )
        pooled = keras.Input((channels,), name="pooled", dtype="float32")
        hidden = pooled
        if kind == "mlp":
            hidden = keras.layers.Dense(width or DEFAULT_WIDTH, activation="relu", dtype="float32")(hidden)
        if self.dropout > 0.0:
            hidden = keras.layers.Dropout(self.dropout, seed=seed, dtype="float32")(hidden)
        output = keras.layers.Dense(self.units, dtype="float32")(hidden)
        model = keras.Model({"pooled": pooled}, {self.output: output})
        for index, layer in enumerate(layer for layer in model.layers if layer.weights):
            limit = np.sqrt(6.0 / sum(layer.kernel.shape))
            random = np.random.default_rng((seed, index))
            layer.kernel.assign(random.uniform(-limit, limit, tuple(layer.kernel.shape)).astype(np.float32))
        return model

    def solved(self, solver: str, strength: float, weights: Weights, spectrum: EigenBasis) -> Solved:
        """A linear head on the features that `spectrum` projects, as one on features as they are."""
        kernel, bias = spectrum.fold(weights.kernel, weights.bias)
        return Solved(solver, strength, {"kernel": kernel, "bias": bias}, self.output)

    def mix(self, targets: Batch, partners: Batch, shares: np.ndarray) -> dict[str, np.ndarray]:
        """See MixesTargets: float32, `shares` of the targets and the rest of the partners'."""
        return {name: blend(own, partners[name], shares) for name, own in targets.items()}


def blend(own: np.ndarray, other: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """`shares` (batch,) of `own` (batch, ...), the rest of `other`: (batch, ...) float32."""
    weights = shares.astype(np.float32).reshape(-1, *(1,) * (own.ndim - 1))
    return np.asarray(weights * own + (1 - weights) * other, np.float32)
