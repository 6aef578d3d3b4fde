"""Parts of a decoder that stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras

PARTS = {
    "embeddings": ("embedding", "position", "unembedding", "logits_bias", "relative"),
    "self_attention": ("self_query", "self_key", "self_value", "self_output"),
    "cross_attention": ("cross_query", "cross_key", "cross_value", "cross_output"),
    "feed_forward": ("hidden", "gate", "output"),
    "norms": ("self_norm", "cross_norm", "norm"),
}
"""The layers of `_sequences.decoder`, by what they are part of."""


def freeze(model: keras.Model, parts: Sequence[str]) -> None:
    """Take the layers of these parts of a decoder, of FREEZABLE, out of all training."""
    frozen = {name for part in parts for name in PARTS[part]}
    for layer in _layers(model):
        if layer.name in frozen:
            layer.trainable = False


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer
