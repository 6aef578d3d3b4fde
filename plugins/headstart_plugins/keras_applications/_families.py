"""What the plugin keeps of networks, read without any framework: the row of each, and what those of a family share.

Licences are those that Keras' documentation states for the weights (its applications page, releases 2.2 and 2.3); for
the families that came later, those of the authors' own repositories. Preprocessing is that of the family's
`preprocess_input`, or of the layers that the published model holds inside, which are left out here so that it
is applied exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headstart.options import NoOptions, option

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

CAFFE: Mapping[str, Any] = {
    "channels": "bgr",
    "scale": [1.0, 1.0, 1.0],
    "offset": [-103.939, -116.779, -123.68],
}
"""Blue, green, red, minus the mean of ImageNet's pixels."""
SYMMETRIC: Mapping[str, Any] = {"channels": "rgb", "scale": [1 / 127.5] * 3, "offset": [-1.0] * 3}
"""0..255 to -1..1."""
SYMMETRIC_128: Mapping[str, Any] = {"channels": "rgb", "scale": [1 / 128.0] * 3, "offset": [-1.0] * 3}
"""(x - 128) / 128, as EfficientNetV2 S, M and L were trained."""
STANDARDISED: Mapping[str, Any] = {
    "channels": "rgb",
    "scale": [1 / (255.0 * std) for std in IMAGENET_STD],
    "offset": [-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)],
}
"""(x / 255 - mean) / std of ImageNet."""


@dataclass(frozen=True)
class Cut:
    """The upper boundary of a stage.

    `layers` are the layers whose outputs are alive there, the topmost first; a layer that Keras numbers by
    itself is written `kind#index`, its place among the layers of its kind in the order of their making.
    `channels` and `stride` describe the first of them.
    """

    stage: str
    layers: tuple[str, ...]
    channels: int
    stride: int


@dataclass(frozen=True)
class Network:
    """One function of keras.applications, its published weights (without top) and its cuts, bottom first."""

    name: str
    function: str
    family: str
    size: int
    parameters: int
    file: str
    url: str
    digest: str
    cuts: tuple[Cut, ...]


@dataclass(frozen=True)
class WidthOptions:
    """The width of a MobileNet; published weights listed here fit only 1."""

    alpha: float = option(1.0, "Channels of every layer, relative to the published network.", low=0.1, high=4.0)


@dataclass(frozen=True)
class Family:
    """One architecture and its variants.

    `arguments` go to the Keras function. `entry` is the first layer after preprocessing, where the published
    model holds preprocessing that cannot be switched off. `smallest` is the smallest side that the function
    accepts, `tiny` the one that contracts use. `refuses` is by backend; `channels_last_only` says that
    Keras itself builds it for no other layout. `tuned` says whose rates suit it.
    """

    title: str
    pixels: Mapping[str, Any]
    licence: str
    interpolation: str = "bilinear"
    smallest: int = 32
    tiny: int = 64
    options: type = NoOptions
    arguments: Mapping[str, Any] = field(default_factory=dict)
    entry: str | None = None
    refuses: Mapping[str, str] = field(default_factory=dict)
    channels_last_only: bool = False
    tuned: str = "cnn"


WITHOUT_PREPROCESSING: Mapping[str, Any] = {"include_preprocessing": False}

_NASNET = Family("NASNet (Zoph et al. 2017)", SYMMETRIC, "Apache-2.0", channels_last_only=True)

FAMILIES: Mapping[str, Family] = {
    "vgg": Family("VGG (Simonyan and Zisserman 2014)", CAFFE, "CC-BY-4.0"),
    "resnet": Family("ResNet (He et al. 2015)", CAFFE, "MIT"),
    "resnet_v2": Family("ResNet V2 (He et al. 2016)", SYMMETRIC, "BSD-3-Clause"),
    "xception": Family("Xception (Chollet 2016)", SYMMETRIC, "MIT", smallest=71, tiny=71),
    "inception_v3": Family("Inception V3 (Szegedy et al. 2015)", SYMMETRIC, "Apache-2.0", smallest=75, tiny=75),
    "inception_resnet_v2": Family(
        "Inception-ResNet V2 (Szegedy et al. 2016)", SYMMETRIC, "Apache-2.0", smallest=75, tiny=75
    ),
    "mobilenet": Family("MobileNet (Howard et al. 2017)", SYMMETRIC, "Apache-2.0", options=WidthOptions),
    "mobilenet_v2": Family("MobileNetV2 (Sandler et al. 2018)", SYMMETRIC, "Apache-2.0", options=WidthOptions),
    "mobilenet_v3": Family(
        "MobileNetV3 (Howard et al. 2019)",
        SYMMETRIC,
        "Apache-2.0",
        options=WidthOptions,
        arguments=WITHOUT_PREPROCESSING,
    ),
    "densenet": Family(
        "DenseNet (Huang et al. 2016)",
        STANDARDISED,
        "BSD-3-Clause",
        channels_last_only=True,
    ),
    "nasnet_large": _NASNET,
    "nasnet_mobile": replace(
        _NASNET, refuses={"torch": "Keras refuses to build NASNetMobile on torch; use --backend jax"}
    ),
    "efficientnet": Family(
        "EfficientNet (Tan and Le 2019)",
        STANDARDISED,
        "Apache-2.0",
        interpolation="bicubic",
        entry="stem_conv_pad",
    ),
    "efficientnet_v2b": Family(
        "EfficientNetV2 (Tan and Le 2021)", STANDARDISED, "Apache-2.0", arguments=WITHOUT_PREPROCESSING
    ),
    "efficientnet_v2": Family(
        "EfficientNetV2 (Tan and Le 2021)", SYMMETRIC_128, "Apache-2.0", arguments=WITHOUT_PREPROCESSING
    ),
    "convnext": Family(
        "ConvNeXt (Liu et al. 2022)",
        STANDARDISED,
        "MIT",
        interpolation="bicubic",
        arguments=WITHOUT_PREPROCESSING,
        channels_last_only=True,
        # Convolutions, but with LayerNorm, and fine-tuned by its authors as transformers are: AdamW at small rates
        # that fall layer by layer (Liu et al. 2022, appendix A).
        tuned="transformer",
    ),
}
