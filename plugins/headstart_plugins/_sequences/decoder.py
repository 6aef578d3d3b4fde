"""Decoders as heads: from what an encoder gives and the tokens so far to logits of the next one, at every position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from headstart.engine.network.stages import weighted_layers
from headstart_plugins._sequences import DecoderConfig
from headstart_plugins._sequences._blocks import added, attention, dropped, embedded, feed_forward, norm
from headstart_plugins._sequences.layers import AddedBias, Multiplied, RelativeBias, Scores

TOKENS, MASK, PREVIOUS, LOGITS = "tokens", "tokens.mask", "previous", "logits"
"""What the head takes and gives."""


def layer_names(config: DecoderConfig) -> tuple[str, ...]:
    """The nested models of the head, a layer each, bottom first."""
    return tuple(f"layer{number}" for number in range(1, config.layers + 1))


def decoder(config: DecoderConfig, features: Mapping[str, tuple[int | None, ...]], seed: int) -> keras.Model:
    """The head: {"tokens": (batch, time, channel) float32, "tokens.mask": (batch, time) bool, where `features` has it,
    "previous": (batch, most) int32} to {"logits": (batch, most, vocabulary)} float32.

    "previous" are the tokens so far, at each position the one before it; the axis is open. No position sees later ones,
    so that what stands behind the end of a row does not matter. `features` are shapes, batch first, as `Task.head` gets
    them. Each layer is a nested model of named layers. Kernels are drawn by numpy from `seed`: Glorot-uniform, tables
    of tokens normal with the deviation `width` ** -0.5; biases are 0.

    Written after MarianMT, T5 and Whisper of `transformers` 5.24, and compared with them.
    """
    seeds = count(seed * 1000)
    width = features[TOKENS][-1]
    entries = {
        TOKENS: keras.Input((None, width), name=TOKENS),
        PREVIOUS: keras.Input((None,), dtype="int32", name=PREVIOUS),
    }
    if MASK in features:
        entries[MASK] = keras.Input((None,), dtype="bool", name=MASK)
    embedding = layers.ReversibleEmbedding(config.vocabulary, config.width, name="embedding")
    x = embedded(config, embedding, entries[PREVIOUS], next(seeds))
    passed = {"source": entries[TOKENS]}
    if MASK in features:
        passed["mask"] = ops.expand_dims(ops.expand_dims(entries[MASK], 1), 1)
    if config.positions == "relative":
        reach = RelativeBias(config.heads, config.buckets, config.farthest, both=False, name="relative")(x)
        passed["scores"] = Scores(causal=True, name="scores")(reach)
    for name in layer_names(config):
        x = _layer(config, name, {"x": x, **passed}, seeds)({"x": x, **passed})
    if config.pre_norm:
        x = dropped(config.dropout, norm(config, "norm")(x), next(seeds))
    if config.logits_scale != 1.0:
        x = Multiplied(config.logits_scale, name="logits_scale")(x)
    if config.tied:
        logits = embedding(x, reverse=True)
    else:
        logits = layers.Dense(config.vocabulary, use_bias=False, name="unembedding")(x)
    if config.logits_bias:
        logits = AddedBias(name="logits_bias")(logits)
    model = keras.Model(entries, {LOGITS: logits})
    draw(model, seed)
    return model


def _layer(config: DecoderConfig, name: str, given: Mapping[str, Any], seeds: Iterator[int]) -> keras.Model:
    entries = {
        name: keras.Input((1, 1, None) if name == "mask" else each.shape[1:], dtype=each.dtype, name=name)
        for name, each in given.items()
    }
    if "scores" in entries:  # the same in each row
        entries["scores"] = keras.Input(batch_shape=given["scores"].shape, name="scores")
    scores, mask = entries.get("scores"), entries.get("mask")

    def own(x: Any) -> Any:
        return attention(config, "self", x, x, masked=scores, causal=scores is None, bias=scores is not None)

    def source(x: Any) -> Any:
        return attention(config, "cross", x, entries["source"], masked=mask, causal=False, bias=False)

    x = added(config, "self_norm", entries["x"], own, next(seeds))
    x = added(config, "cross_norm", x, source, next(seeds))
    x = added(config, "norm", x, lambda x: feed_forward(config, x, next(seeds)), next(seeds))
    return keras.Model(entries, x, name=name)


def draw(model: keras.Model, seed: int) -> None:
    """Draw the kernels and tables of a head by numpy, so that every backend starts from the same numbers."""
    for index, layer in enumerate(weighted_layers(model)):
        random = np.random.default_rng((seed, index))
        if isinstance(layer, layers.Dense):
            limit = np.sqrt(6.0 / sum(layer.kernel.shape))
            layer.kernel.assign(random.uniform(-limit, limit, tuple(layer.kernel.shape)).astype(np.float32))
        elif isinstance(layer, layers.Embedding):
            scale = layer.embeddings.shape[-1] ** -0.5
            layer.embeddings.assign(random.normal(0.0, scale, tuple(layer.embeddings.shape)).astype(np.float32))
        elif hasattr(layer, "table"):
            layer.table.assign(random.normal(0.0, 0.02, tuple(layer.table.shape)).astype(np.float32))
