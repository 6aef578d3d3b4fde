"""The one backbone that is declared: whatever KerasHub builds from a configuration. Imports the contract alone."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.options import option
from headstart.specs import BackboneSpec, FeatureSpec

NAME = "keras_hub/preset"
TOP = "top"
"""The last stage of each backbone, whatever the stages below it are."""
TINY = """{"class_name": "DenseNetBackbone", "config":
 {"stackwise_num_repeats": [1, 1, 1], "compression_ratio": 0.5, "growth_rate": 4}}"""


@dataclass(frozen=True)
class PresetOptions:
    """What a network is built from; a reference to a preset brings it."""

    config: str = option("", "The architecture as JSON, in the form of the preset's own config.json.")


REGISTERED = BackboneSpec(
    name=NAME,
    summary="Any image backbone of KerasHub: write keras_hub/PRESET, or the folder of a preset.",
    options=PresetOptions,
    build="headstart_plugins.keras_hub._build:build",
    takes="image",
    stages=None,
    features=(FeatureSpec("pooled", TOP, "pooled", ("batch", "channel"), channels=None),),
    preprocess={"size": [224, 224]},
    licence="Apache-2.0 for the code; each preset has its own",
    tiny={"config": TINY},
    tiny_size=32,
)
