"""What layers of encoders and decoders are made of: named layers of Keras, put together by a `StackConfig`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from headstart_plugins._sequences import StackConfig
from headstart_plugins._sequences.layers import Multiplied, Sines
from headstart_plugins._token_layers import AddedPositions

Attend = Callable[[Any], Any]
"""From what a layer sees of its own tokens (batch, time, width) to what attention gives, of the same shape."""


def embedded(config: StackConfig, embedding: keras.layers.Layer, ids: Any, seed: int) -> Any:
    """Token ids (batch, time) int32 with their positions: (batch, time, width)."""
    x = embedding(ids)
    if config.embedding_scale != 1.0:
        x = Multiplied(config.embedding_scale, name="embedding_scale")(x)
    if config.positions == "sines":
        x = Sines(name="position")(x)
    if config.positions == "table":
        x = AddedPositions(config.most_positions, config.first_position, name="position")(x)
    return dropped(config.dropout, x, seed)


def attention(config: StackConfig, name: str, x: Any, source: Any, *, masked: Any, causal: bool, bias: bool) -> Any:
    """Of tokens `x` (batch, time, width) to `source` (batch, key, channel): (batch, time, width).

    `masked` is None, the mask (batch, 1, 1, key) bool of what may be seen, or with `bias` what is added to scores.
    """
    inner = config.heads * config.size
    parts = {}
    for part, given in (("query", x), ("key", source), ("value", source)):
        has_bias = config.bias and (config.key_bias or part != "key")
        made = layers.Dense(inner, use_bias=has_bias, name=f"{name}_{part}")(given)
        parts[part] = layers.Reshape((-1, config.heads, config.size))(made)
    how = {} if masked is None else {"bias" if bias else "mask": masked}
    seen = ops.dot_product_attention(
        parts["query"], parts["key"], parts["value"], scale=config.scale, is_causal=causal, **how
    )
    joined = layers.Reshape((-1, inner))(seen)
    return layers.Dense(config.width, use_bias=config.bias, name=f"{name}_output")(joined)


def feed_forward(config: StackConfig, x: Any, seed: int) -> Any:
    """(batch, time, width) in and out."""
    hidden = layers.Dense(config.hidden, use_bias=config.bias, name="hidden")(x)
    hidden = activated(config.activation, hidden)
    if config.gated:
        hidden = layers.multiply([hidden, layers.Dense(config.hidden, use_bias=config.bias, name="gate")(x)])
    hidden = dropped(config.hidden_dropout, hidden, seed)
    return layers.Dense(config.width, use_bias=config.bias, name="output")(hidden)


def added(config: StackConfig, name: str, x: Any, compute: Attend, seed: int) -> Any:
    """`x` and what `compute` gives for it, with the norm `name` where the config has it."""
    if config.pre_norm:
        return layers.add([x, dropped(config.dropout, compute(norm(config, name)(x)), seed)])
    return norm(config, name)(layers.add([x, dropped(config.dropout, compute(x), seed)]))


def norm(config: StackConfig, name: str) -> keras.layers.Layer:
    """A norm of each token."""
    if config.norm == "rms":
        return layers.RMSNormalization(epsilon=config.epsilon, name=name)
    return layers.LayerNormalization(epsilon=config.epsilon, name=name)


def activated(name: str, x: Any) -> Any:
    """`x` through one of ACTIVATIONS."""
    if name in ("gelu", "gelu_tanh"):
        return ops.gelu(x, approximate=name == "gelu_tanh")
    return ops.silu(x) if name == "silu" else ops.relu(x)


def dropped(share: float, x: Any, seed: int) -> Any:
    """`x`, of which in training a `share` of the numbers is left out."""
    return layers.Dropout(share, seed=seed)(x) if share else x
