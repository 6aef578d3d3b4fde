"""Linear heads and such with a hidden layer; the only module of this package that imports keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from headstart.errors import UsageError
from headstart.specs import read_head

DEFAULT_WIDTH = 512


@dataclass(frozen=True)
class HeadPlan:
    """A head as the user named it: the width of its hidden layer (None for a linear one), and dropout: of the hidden
    units, or of a linear head's features. It gives so many numbers, `units`, under the name `output`."""

    width: int | None
    dropout: float
    units: int
    output: str


def plan_head(name: str, dropout: float, *, units: int, output: str = "logits") -> HeadPlan:
    """Read "linear", "mlp" or "mlp:512". Raises UsageError for another name."""
    kind, width = read_head(name)
    if name == "linear":
        return HeadPlan(None, dropout, units, output)
    if kind != "mlp":
        raise UsageError(f"unknown head {name!r}; expected linear, mlp or mlp:WIDTH", hint="try `--head linear`")
    return HeadPlan(width or DEFAULT_WIDTH, dropout, units, output)


def build_head(plan: HeadPlan, features: Mapping[str, tuple[int | None, ...]], *, seed: int) -> keras.Model:
    """A Functional model {"pooled": (batch, channel)} -> {plan's output: (batch, unit)}, all in float32.

    Kernels are Glorot-uniform (Glorot & Bengio 2010) and drawn by numpy from `seed`, so that every backend
    starts from the same numbers; biases are zero. Raises UsageError where `features` lack "pooled" of that shape.
    """
    shape = features.get("pooled", ())
    channels = shape[-1] if len(shape) == 2 else None
    if channels is None:
        raise UsageError(f"the head needs the feature 'pooled' of shape (batch, channel); received {dict(features)}")
    pooled = keras.Input((channels,), name="pooled", dtype="float32")
    hidden, drawn = pooled, []
    if plan.width is not None:
        first = keras.layers.Dense(plan.width, activation="relu", dtype="float32")
        drawn.append(first)
        hidden = first(hidden)
    if plan.dropout > 0.0:
        hidden = keras.layers.Dropout(plan.dropout, seed=seed, dtype="float32")(hidden)
    last = keras.layers.Dense(plan.units, dtype="float32")
    drawn.append(last)
    model = keras.Model({"pooled": pooled}, {plan.output: last(hidden)})
    for index, layer in enumerate(drawn):
        layer.kernel.assign(draw_glorot(tuple(layer.kernel.shape), (seed, index)))
    return model


def draw_glorot(shape: tuple[int, ...], seed: tuple[int, ...]) -> np.ndarray:
    """A kernel (channel, unit) float32, uniform within sqrt(6 / (channel + unit))."""
    limit = np.sqrt(6.0 / sum(shape))
    return np.random.default_rng(seed).uniform(-limit, limit, shape).astype(np.float32)
