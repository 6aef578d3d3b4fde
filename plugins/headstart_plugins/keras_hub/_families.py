"""The backbones of KerasHub that take pictures, and how each gives one vector a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

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
