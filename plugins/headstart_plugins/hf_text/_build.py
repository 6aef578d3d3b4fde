"""Transformers that read text, from token ids to pooled features: a stage for the embeddings, one a block, one at the
end.

BERT (Devlin et al. 2018), DistilBERT, RoBERTa, XLM-R, ModernBERT (Warner et al. 2024) and GPT-2 (Radford et al. 2019)
differ in a few switches: where norms stand, how positions are told, what a token sees, what the feed-forward layer is.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from headstart.specs import Backbone, BackboneRequest, Stage
from headstart_plugins._token_layers import AddedPositions, Pooled, Rotary, Sight
from headstart_plugins.hf_text._options import TransformerOptions
from headstart_plugins.hf_text._stages import EMBEDDINGS, POOL, block_names


def build(request: BackboneRequest) -> Backbone:
    """ids (batch, time) int32, types (batch, time) int32 and mask (batch, time) bool to tokens "x" (batch, time, width)
    and "pooled" (batch, width)."""
    options: TransformerOptions = request.options
    blocks = [Stage(name, _block(options, number)) for number, name in enumerate(block_names(options.blocks))]
    return Backbone((Stage(EMBEDDINGS, _embeddings(options)), *blocks, Stage(POOL, _pool(options))))


def _embeddings(options: TransformerOptions) -> keras.Model:
    entries = {
        "ids": keras.Input((None,), dtype="int32", name="ids"),
        "types": keras.Input((None,), dtype="int32", name="types"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    x = layers.Embedding(options.vocabulary, options.width, name="token")(entries["ids"])
    if options.types:
        # RoBERTa knows one type, and transformers gives it no other, though its tokenizer may number those of a pair.
        types = entries["types"] if options.types > 1 else ops.zeros_like(entries["types"])
        x = layers.add([x, layers.Embedding(options.types, options.width, name="type")(types)])
    if not options.rotary:
        x = AddedPositions(options.positions, options.first_position, name="position")(x)
    if not options.pre_norm or options.rotary:
        x = _norm(options, "norm")(x)
    return keras.Model(entries, {"x": x, "mask": layers.Identity()(entries["mask"])})


def _block(options: TransformerOptions, number: int) -> keras.Model:
    x = keras.Input((None, options.width), name="x")
    mask = keras.Input((None,), dtype="bool", name="mask")
    if options.pre_norm:
        is_bare = options.rotary and not number  # ModernBERT: the embeddings were normalised just before
        seen = x if is_bare else _norm(options, "attention_norm")(x)
        middle = layers.add([x, _attention(options, number, seen, mask)])
        found = layers.add([middle, _feed_forward(options, _norm(options, "norm")(middle))])
    else:
        middle = _norm(options, "attention_norm")(layers.add([x, _attention(options, number, x, mask)]))
        found = _norm(options, "norm")(layers.add([middle, _feed_forward(options, middle)]))
    return keras.Model({"x": x, "mask": mask}, {"x": found, "mask": layers.Identity()(mask)})


def _attention(options: TransformerOptions, number: int, x: Any, mask: Any) -> Any:
    is_local = bool(options.local_window) and number % options.global_every != 0
    size = options.width // options.heads
    parts = {}
    for name in ("query", "key", "value"):
        part = layers.Dense(options.width, use_bias=options.bias, name=name)(x)
        parts[name] = layers.Reshape((-1, options.heads, size))(part)
    base = (options.local_rotary if is_local else 0.0) or options.rotary
    if base:
        parts |= {name: Rotary(base)(parts[name]) for name in ("query", "key")}
    sight = Sight(causal=options.causal, window=options.local_window if is_local else 0)(mask)
    seen = ops.dot_product_attention(parts["query"], parts["key"], parts["value"], mask=sight)
    joined = layers.Reshape((-1, options.width))(seen)
    return layers.Dense(options.width, use_bias=options.bias, name="attention_output")(joined)


def _feed_forward(options: TransformerOptions, x: Any) -> Any:
    hidden = layers.Dense(options.hidden, use_bias=options.bias, name="hidden")(x)
    hidden = _activated(options.activation, hidden)
    if options.gated:
        hidden = layers.multiply([hidden, layers.Dense(options.hidden, use_bias=options.bias, name="gate")(x)])
    return layers.Dense(options.width, use_bias=options.bias, name="output")(hidden)


def _activated(name: str, x: Any) -> Any:
    if name in ("gelu", "gelu_tanh"):
        return ops.gelu(x, approximate=name == "gelu_tanh")
    return layers.Activation(name)(x)


def _pool(options: TransformerOptions) -> keras.Model:
    x = keras.Input((None, options.width), name="x")
    mask = keras.Input((None,), dtype="bool", name="mask")
    last = _norm(options, "norm")(x) if options.pre_norm else layers.Identity()(x)
    is_pooler = options.pooling == "pooler"
    pooled = Pooled("cls" if is_pooler else options.pooling)(last, mask)
    if is_pooler:
        pooled = layers.Dense(options.width, activation="tanh", name="pooler")(pooled)
    if options.normalise:
        pooled = layers.UnitNormalization(axis=-1)(pooled)
    return keras.Model({"x": x, "mask": mask}, {"x": last, "mask": layers.Identity()(mask), "pooled": pooled})


def _norm(options: TransformerOptions, name: str) -> layers.Layer:
    return layers.LayerNormalization(epsilon=options.epsilon, center=options.bias, name=name)
