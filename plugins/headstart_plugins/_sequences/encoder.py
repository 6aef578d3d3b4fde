"""Encoders of tokens as the stages of a backbone: one for the embeddings, one a layer, one at the end."""

from __future__ import annotations

from itertools import count
from typing import Any

import keras
from keras import layers, ops

from headstart.specs import Stage
from headstart_plugins._sequences import StackConfig
from headstart_plugins._sequences._blocks import added, attention, dropped, embedded, feed_forward, norm
from headstart_plugins._sequences.layers import RelativeBias, Scores
from headstart_plugins._sequences.stages import EMBEDDINGS, TOP, encoder_stage_names
from headstart_plugins._token_layers import Pooled

REACH = "reach"
"""T5's relative positions, from the stage that has their table up to the last layer: numbers a distance and head."""


def encoder_stages(config: StackConfig, seed: int = 0) -> tuple[Stage, ...]:
    """From ids (batch, time) int32 and mask (batch, time) bool, True where there is a token, to tokens "x" (batch,
    time, width), after the last norm where there is one, their mask, and "pooled" (batch, width), the mean of the real
    ones.

    Written after the encoders of MarianMT and T5 of `transformers` 5.24, and compared with them. `seed` is that of
    dropout.
    """
    seeds = count(seed * 1000)
    entries = {
        "ids": keras.Input((None,), dtype="int32", name="ids"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    draw = keras.initializers.RandomNormal(stddev=config.width**-0.5, seed=seed)
    size = (config.vocabulary, config.width)
    embedding = layers.Embedding(*size, embeddings_initializer=draw, name="embedding")
    x = embedded(config, embedding, entries["ids"], next(seeds))
    found = {"x": x, "mask": layers.Identity()(entries["mask"])}
    if config.positions == "relative":
        found[REACH] = RelativeBias(config.heads, config.buckets, config.farthest, both=True, name="relative")(x)
    stages = [Stage(EMBEDDINGS, keras.Model(entries, found))]
    for name in encoder_stage_names(config.layers)[1:-1]:
        stages.append(Stage(name, _layer(config, next(seeds), next(seeds), next(seeds))))
    return (*stages, Stage(TOP, _top(config, next(seeds))))


def _layer(config: StackConfig, *seeds: int) -> keras.Model:
    entries = {
        "x": keras.Input((None, config.width), name="x"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    scores: Any = None
    if config.positions == "relative":
        entries[REACH] = keras.Input((None, 2 * config.heads), name=REACH)
        scores = Scores(name="scores")(entries[REACH], entries["mask"])
    masked = ops.expand_dims(ops.expand_dims(entries["mask"], 1), 1) if scores is None else scores

    def own(x: Any) -> Any:
        return attention(config, "self", x, x, masked=masked, causal=False, bias=scores is not None)

    x = added(config, "self_norm", entries["x"], own, seeds[0])
    x = added(config, "norm", x, lambda x: feed_forward(config, x, seeds[2]), seeds[1])
    passed = {name: layers.Identity()(each) for name, each in entries.items() if name != "x"}
    return keras.Model(entries, {"x": x, **passed})


def _top(config: StackConfig, seed: int) -> keras.Model:
    x = keras.Input((None, config.width), name="x")
    mask = keras.Input((None,), dtype="bool", name="mask")
    last = dropped(config.dropout, norm(config, "norm")(x), seed) if config.pre_norm else layers.Identity()(x)
    pooled = Pooled("mean")(last, mask)
    return keras.Model({"x": x, "mask": mask}, {"x": last, "mask": layers.Identity()(mask), "pooled": pooled})
