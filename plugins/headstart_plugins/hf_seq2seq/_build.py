"""Builds encoders."""

from __future__ import annotations

from dataclasses import asdict

from headstart.specs import Backbone, BackboneRequest
from headstart_plugins._sequences import StackConfig
from headstart_plugins._sequences.encoder import encoder_stages
from headstart_plugins.hf_seq2seq._options import EncoderOptions


def build(request: BackboneRequest) -> Backbone:
    """ids (batch, time) int32 and mask (batch, time) bool to tokens "x" (batch, time, width) and "pooled" (batch,
    width)."""
    options: EncoderOptions = request.options
    return Backbone(encoder_stages(StackConfig(**asdict(options))))
