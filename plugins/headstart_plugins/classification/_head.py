"""Heads and loss of classification; the only module of this task that imports keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from headstart.errors import UsageError

DEFAULT_WIDTH = 512
MAX_WIDTH = 65_536


@dataclass(frozen=True)
class HeadPlan:
    """A head as the user named it: the width of its hidden layer (None for a linear one), and dropout."""

    width: int | None
    dropout: float


def plan_head(name: str, dropout: float) -> HeadPlan:
    """Read "linear", "mlp" or "mlp:512". Raises UsageError for another name, or dropout on a linear head."""
    kind, colon, number = name.partition(":")
    if name == "linear":
        if dropout > 0.0:
            raise UsageError(
                f"dropout {dropout} has nothing to act on: a linear head has no hidden units",
                hint="use `--head mlp`, or leave dropout at 0",
            )
        return HeadPlan(None, 0.0)
    if kind != "mlp" or (colon and not number.isdecimal()):
        raise UsageError(f"unknown head {name!r}; expected linear, mlp or mlp:WIDTH", hint="try `--head linear`")
    width = int(number) if number else DEFAULT_WIDTH
    if not 1 <= width <= MAX_WIDTH:
        raise UsageError(f"head {name!r} has {width} hidden units; expected 1 to {MAX_WIDTH}")
    return HeadPlan(width, dropout)


def build_head(plan: HeadPlan, *, channels: int, classes: int, seed: int) -> keras.Model:
    """A Functional model {"pooled": (batch, channel)} -> {"logits": (batch, class)}, all in float32.

    Kernels are Glorot-uniform (Glorot & Bengio 2010) and drawn by numpy from `seed`, so that every backend
    starts from the same numbers; biases are zero.
    """
    pooled = keras.Input((channels,), name="pooled", dtype="float32")
    hidden, drawn = pooled, []
    if plan.width is not None:
        first = keras.layers.Dense(plan.width, activation="relu", dtype="float32")
        drawn.append(first)
        hidden = first(hidden)
        if plan.dropout > 0.0:
            hidden = keras.layers.Dropout(plan.dropout, seed=seed, dtype="float32")(hidden)
    last = keras.layers.Dense(classes, dtype="float32")
    drawn.append(last)
    model = keras.Model({"pooled": pooled}, {"logits": last(hidden)})
    for index, layer in enumerate(drawn):
        layer.kernel.assign(draw_glorot(tuple(layer.kernel.shape), (seed, index)))
    return model


def draw_glorot(shape: tuple[int, ...], seed: tuple[int, ...]) -> np.ndarray:
    """A kernel (channel, unit) float32, uniform within sqrt(6 / (channel + unit))."""
    limit = np.sqrt(6.0 / sum(shape))
    return np.random.default_rng(seed).uniform(-limit, limit, shape).astype(np.float32)


def cross_entropy(targets: Any, outputs: Mapping[str, Any]) -> Any:
    """-log softmax(logits)[target] of each sample, (batch,) float32; `targets` are (batch,) integers."""
    logits = keras.ops.cast(outputs["logits"], "float32")
    return keras.ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)
