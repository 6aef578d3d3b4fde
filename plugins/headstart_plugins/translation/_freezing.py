"""Parts of a decoder that stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras

from headstart.errors import UsageError
from headstart_plugins.translation import FREEZABLE

PARTS = {
    "embeddings": ("embedding", "position", "unembedding", "logits_bias", "relative"),
    "self_attention": ("self_query", "self_key", "self_value", "self_output"),
    "cross_attention": ("cross_query", "cross_key", "cross_value", "cross_output"),
    "feed_forward": ("hidden", "gate", "output"),
    "norms": ("self_norm", "cross_norm", "norm"),
}
"""The layers of `_sequences.decoder`, by what they are part of."""


def freeze(model: keras.Model, parts: Sequence[str]) -> None:
    """Take the layers of these parts of a decoder out of all training. Raises UsageError for a part that there is
    not."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise UsageError(
            f"task.freeze names {unknown[0]!r}, which is no part of a decoder", hint=f"expected {', '.join(FREEZABLE)}"
        )
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
