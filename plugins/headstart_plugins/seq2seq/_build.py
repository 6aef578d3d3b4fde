"""Builds `small`: embeddings, layers and their mean."""

from __future__ import annotations

from headstart.specs import Backbone, BackboneRequest
from headstart_plugins._sequences import StackConfig
from headstart_plugins._sequences.encoder import encoder_stages
from headstart_plugins.seq2seq import SmallOptions

UNSTATED = 256
"""Rows of the embedding where nobody says how large the vocabulary is, as in a contract."""


def build(request: BackboneRequest) -> Backbone:
    """ids (batch, time) int32 and mask (batch, time) bool to tokens "x" (batch, time, width) and "pooled" (batch,
    width): Marian's encoder with ReLU, sines for positions, and norms after each sum."""
    options: SmallOptions = request.options
    config = StackConfig(
        vocabulary=request.inputs["ids"].values or UNSTATED,
        width=options.width,
        layers=options.layers,
        heads=options.heads,
        hidden=options.hidden,
        embedding_scale=options.width**0.5,
        dropout=options.dropout,
    )
    return Backbone(encoder_stages(config))
