"""What is declared: the one backbone that stands for whatever KerasHub builds, and the families that it builds.

Imports the contract alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from headstart.options import option
from headstart.specs import BackboneSpec, FeatureSpec

Pooling = Literal["mean", "class_token"]

POOLING: Mapping[str, Pooling] = {
    "CSPNetBackbone": "mean",
    "DINOV2Backbone": "class_token",
    "DINOV3Backbone": "class_token",
    "DeiTBackbone": "class_token",
    "DenseNetBackbone": "mean",
    "EfficientNetBackbone": "mean",
    "HGNetV2Backbone": "mean",
    "MiTBackbone": "mean",
    "MobileNetBackbone": "mean",
    "ResNetBackbone": "mean",
    "SwinTransformerBackbone": "mean",
    "VGGBackbone": "mean",
    "ViTBackbone": "class_token",
    "XceptionBackbone": "mean",
}
"""By KerasHub's class name: the mean over all places, or the first token, as its own image classifiers pool."""

TRANSFORMERS = frozenset(
    {
        "DINOV2Backbone",
        "DINOV3Backbone",
        "DeiTBackbone",
        "MiTBackbone",
        "SwinTransformerBackbone",
        "ViTBackbone",
    }
)
"""Those made of blocks of attention; the others are convolutional."""

CATALOGUED = (
    *("cspnet", "deit", "densenet", "dinov2", "dinov3", "efficientnet", "hgnetv2", "mit", "mobilenet", "resnet"),
    *("swin_transformer", "vgg", "vit", "xception"),
)
"""The folders of KerasHub's source whose preset lists are those of the classes above."""

HUGGING_FACE = ("deit", "dinov2", "dinov3_vit", "swin", "vit")
"""`model_type` of the image models that KerasHub converts from Hugging Face folders; all of them transformers."""

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
