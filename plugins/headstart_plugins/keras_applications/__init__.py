"""Every network of keras.applications as a backbone: VGG, ResNet, Inception, MobileNet, EfficientNet, ...

Names are Keras' own in lower case: `vgg16`, `resnet50v2`, `mobilenetv3small`, `efficientnetb0`. Published
weights are the ones without top that Keras itself would fetch, and those that others retrained. Data only;
networks are built in `_build`, weights read in `_load`.
"""

from __future__ import annotations

from collections.abc import Iterable

from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec, FeatureSpec, RemoteFile, WeightsSpec
from headstart_plugins.keras_applications._families import FAMILIES, Family, Network
from headstart_plugins.keras_applications._retrained import RETRAINED
from headstart_plugins.keras_applications._table import NETWORKS

IMAGE_AXES = ("batch", "height", "width", "channel")
DIGESTS = {32: "md5", 64: "sha256"}
"""Algorithms that Keras uses, by the digits of the digest."""


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """Offer each network of keras.applications."""
    return [_backbone(network, FAMILIES[network.family]) for network in NETWORKS]


def _backbone(network: Network, family: Family) -> BackboneSpec:
    preprocess = {
        "size": [network.size, network.size],
        **family.pixels,
        "resize": "crop",
        "interpolation": family.interpolation,
        "background": 255,
        "range": [0, 255],
    }
    weights = WeightsSpec(
        name="imagenet",
        origin=RemoteFile(network.url, network.file),
        licence=family.licence,
        source=f"keras.applications.{network.function}, ImageNet-1k, without top",
        trained_on="ImageNet-1k (classes)",
        size=None,
        algorithm=DIGESTS.get(len(network.digest), "unknown"),
        digest=network.digest,
        load=f"{__name__}._load:load",
        preprocess=preprocess,
    )
    return BackboneSpec(
        name=f"keras_applications/{network.name}",
        summary=f"{network.function}, {family.title}, {network.size} px.",
        options=family.options,
        build=f"{__name__}._build:{network.name}",
        takes="image",
        stages=tuple(cut.stage for cut in network.cuts),
        features=tuple(_features(network)),
        preprocess=preprocess,
        licence=family.licence,
        weights=(weights, *RETRAINED.get(network.name, ())),
        parameters=network.parameters,
        refuses=family.refuses,
        tiny_size=family.tiny,
        family=family.tuned,
    )


def _features(network: Network) -> Iterable[FeatureSpec]:
    """The deepest map at each stride of 8, 16 and 32, and the mean over the last one."""
    last = network.cuts[-1]
    deepest = {cut.stride: cut for cut in network.cuts}
    for stride, cut in deepest.items():
        if stride in (8, 16, 32):
            tensor = "map" if cut is last else "x"
            yield FeatureSpec(f"map@{stride}", cut.stage, tensor, IMAGE_AXES, cut.channels, stride)
    yield FeatureSpec("pooled", last.stage, "pooled", ("batch", "channel"), last.channels)
