"""Tiny presets of KerasHub's image backbones, made alive and saved by KerasHub itself."""

import functools
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from presets import CONVERTER, SIDE, TINY, converted, enliven, pixels

collect_ignore = [] if os.environ.get("KERAS_BACKEND") else ["test_numbers.py"]
"""It imports keras, which needs a backend."""


@functools.cache
def _made(name):
    import keras_hub

    size = {"input_shape" if name == "EfficientNetBackbone" else "image_shape": (SIDE, SIDE, 3)}
    whole = getattr(keras_hub.models, name)(**{**TINY[name], **size})
    enliven(whole, converted(pixels()))
    return whole


@pytest.fixture(scope="session")
def preset(tmp_path_factory):
    """`preset("ResNetBackbone")`: the folder of a tiny preset as KerasHub saves it."""

    def make(name):
        import keras_hub

        folder = tmp_path_factory.mktemp("presets") / f"tiny-{name}"
        _made(name).save_to_preset(str(folder))
        keras_hub.layers.ImageConverter(**CONVERTER, crop_to_aspect_ratio=True).save_to_preset(str(folder))
        return folder

    return functools.cache(make)
