"""What MobileNetV2 declares is true of the published package."""

import importlib.metadata

import pytest

from headstart.weights.source import verify_file

from .conftest import DEVIATION, MEAN, SPEC


def test_the_published_file_has_the_stated_size_and_digest(weights_file):
    verify_file(weights_file, SPEC.weights[0])
    assert f"-{SPEC.weights[0].digest[:8]}.pth" in weights_file.name


def test_the_licence_is_what_the_package_states(weights_file):
    stated = importlib.metadata.distribution(SPEC.weights[0].origin.distribution).read_text("LICENSE.txt")

    assert "without restriction, including without limitation the rights to use" in " ".join(stated.split())
    assert SPEC.weights[0].licence.startswith("MIT by its package")


@pytest.mark.parametrize("value", [0, 127, 255])
@pytest.mark.parametrize("channel", range(3))
def test_preprocessing_is_torchvisions_formula(value, channel):
    plain = SPEC.weights[0].preprocess
    expected = (value / 255 - MEAN[channel]) / DEVIATION[channel]

    assert value * plain["scale"][channel] + plain["offset"][channel] == pytest.approx(expected, abs=1e-5)
    assert (plain["channels"], plain["size"]) == ("rgb", [224, 224])


def test_its_name_is_not_that_of_keras_own():
    from headstart.registry import load_registry

    registry = load_registry()
    assert registry.resolve_backbone("mobilenet_v2/imagenet").weights[0].digest == SPEC.weights[0].digest
    assert registry.resolve_backbone("mobilenetv2").name == "keras_applications/mobilenetv2"
