"""What folders are built from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.specs import BackboneSpec
from headstart_plugins._model_folders import UNSTATED
from headstart_plugins._sequences.stages import encoder_features
from headstart_plugins.hf_seq2seq._options import EncoderOptions

NAME = "hf_seq2seq/encoder"
PREPROCESS: Mapping[str, Any] = {"length": 512}
TINY: Mapping[str, Any] = {"vocabulary": 256, "width": 16, "layers": 2, "heads": 2, "hidden": 32, "dropout": 0.0}

REGISTERED = BackboneSpec(
    name=NAME,
    summary="The encoder of any MarianMT, T5 or mT5: write the folder that Hugging Face's transformers saves.",
    options=EncoderOptions,
    build="headstart_plugins.hf_seq2seq._build:build",
    takes="pieces",
    stages=None,
    features=encoder_features(None),
    preprocess=PREPROCESS,
    licence=UNSTATED,
    family="transformer",
    any_length=True,
    tiny=TINY,
    gradient_options=("dropout",),
)
"""The one that artefacts of all folders are built from again."""
