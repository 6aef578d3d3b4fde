"""What tasks share whose head is linear, or has hidden layers, on pooled features or on the top map, flattened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.engine.linear.pca import EigenBasis
from headstart.errors import UsageError
from headstart.specs import Batch, Solved, TensorSpec, read_head
from headstart_plugins._heads.logistic import Weights
from headstart_plugins._heads.options import HEADS

if TYPE_CHECKING:
    import keras

DEFAULT_WIDTH = 512
POOLED_AXES = ("batch", "channel")
MAP_AXES = ("batch", "height", "width", "channel")
RIDGE = "ridge"
"""The solver of a head that was solved for as a ridge regression."""


@dataclass(frozen=True)
class LinearHeadTask(ABC):
    """A task with a head that gives one output (batch, unit); the part of `headstart.specs.Task` that does
    not depend on what is predicted, and MixesTargets.

    `output` names what the head gives.
    """

    dropout: float = field(default=0.0, kw_only=True)
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

    def forms(self, targets: Batch) -> Mapping[str, np.ndarray]:
        """See TellsTargets: the `values` that a ridge regression is to answer, as "numbers" (row, unit)."""
        return {"numbers": self.values(targets)}

    def head(self, name: str, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
        """A Functional model {feature: (batch, ...)} -> {output: (batch, unit)}, all in float32.

        "linear" and "mlp", or "mlp:512,256", are on "pooled" (batch, channel); "flatten", or "flatten:512,256", is on
        "map@32" (batch, height, width, channel), whose last three axes become one in that order, as in the classic
        Flatten, Dense, Dropout, Dense. The numbers are the widths of hidden layers (relu): without any, mlp has one of
        512 and flatten none. Dropout acts after every hidden layer, or on the features where there is none.

        Kernels are Glorot-uniform (Glorot & Bengio 2010) and drawn by numpy from `seed`, so that every backend starts
        from the same numbers; biases are zero. Raises UsageError for another name or a feature of another shape, or of
        a size that is not known.
        """
        import keras

        kind, widths = read_head(name)
        if kind not in HEADS or (kind == "linear" and widths):
            raise UsageError(
                f"unknown head {name!r}; expected linear, mlp, mlp:WIDTH,..., flatten or flatten:WIDTH,...",
                hint="try `--head linear`",
            )
        feature, axes = ("map@32", MAP_AXES) if kind == "flatten" else ("pooled", POOLED_AXES)
        shape = features.get(feature, ())
        if len(shape) != len(axes) or None in shape[1:]:
            raise UsageError(
                f"the head {name!r} needs the feature {feature!r} of shape ({', '.join(axes)}), each size but the "
                f"first known; received {dict(features)}",
                hint="choose another backbone or head",
            )
        given = keras.Input(shape[1:], name=feature, dtype="float32")
        hidden = keras.layers.Flatten(dtype="float32")(given) if kind == "flatten" else given
        if kind == "mlp" and not widths:
            widths = (DEFAULT_WIDTH,)
        for place, width in enumerate(widths):
            hidden = keras.layers.Dense(width, activation="relu", kernel_initializer="zeros", dtype="float32")(hidden)
            hidden = self._dropped(hidden, seed + place)
        if not widths:
            hidden = self._dropped(hidden, seed)
        # a draw of Keras', which would be replaced, is a program to compile on JAX
        output = keras.layers.Dense(self.units, kernel_initializer="zeros", dtype="float32")(hidden)
        model = keras.Model({feature: given}, {self.output: output})
        for index, layer in enumerate(layer for layer in model.layers if layer.weights):
            limit = np.sqrt(6.0 / sum(layer.kernel.shape))
            random = np.random.default_rng((seed, index))
            layer.kernel.assign(random.uniform(-limit, limit, tuple(layer.kernel.shape)).astype(np.float32))
        return model

    def _dropped(self, hidden: Any, seed: int) -> Any:
        """`hidden` (batch, unit) with the task's dropout, where it has some; layers of equal width need other seeds, or
        they would leave out the same units."""
        import keras

        return keras.layers.Dropout(self.dropout, seed=seed, dtype="float32")(hidden) if self.dropout > 0.0 else hidden

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
