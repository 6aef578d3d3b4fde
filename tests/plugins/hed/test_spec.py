"""What HED declares is true of the published package."""

import numpy as np
import pytest

from headstart.registry import load_registry
from headstart.weights.source import verify_file
from headstart_plugins.hed import CLASSES, PREPROCESS

from .conftest import SPEC


def test_the_published_file_has_the_stated_size_and_digest(weights_file):
    verify_file(weights_file, SPEC.weights[0])


@pytest.mark.parametrize("value", [0, 127, 255])
def test_preprocessing_takes_the_packages_mean_off_blue_first(value):
    pytest.importorskip("torch")
    from hed_by_hand import preprocessed

    pixels = np.full((1, 1, 1, 3), value, np.uint8) * np.uint8([1, 0, 1])  # red and blue apart from green
    ordered = pixels[..., ::-1] if PREPROCESS["channels"] == "bgr" else pixels
    found = ordered * np.float32(PREPROCESS["scale"]) + np.float32(PREPROCESS["offset"])
    assert found == pytest.approx(preprocessed(pixels), abs=1e-4)


def test_what_is_around_a_picture_is_about_zero_as_around_the_packages():
    around = PREPROCESS["background"] * np.array(PREPROCESS["scale"]) + np.array(PREPROCESS["offset"])
    assert np.abs(around).max() <= 10.1  # of 255, and no grey is nearer
    others = np.arange(256)[:, None] + np.array(PREPROCESS["offset"])
    assert np.abs(others).max(1).min() >= np.abs(around).max() - 1


def test_both_of_the_files_users_say_the_same_of_it():
    ours, other = SPEC.weights[0], load_registry().get("backbones", "keras_applications/vgg16").weights[1]

    for field in ("origin", "licence", "trained_on", "size", "digest"):
        assert getattr(ours, field) == getattr(other, field)
    assert "may not cover BSDS500" in ours.licence
    assert ours.trained_on.endswith("BSDS500 (edges)")


def test_its_head_tells_edges_from_the_rest():
    head = SPEC.weights[0].head

    assert (head.labels["classes"], head.head) == (list(CLASSES), "side_outputs")
    assert not head.begins  # masks of other classes are better learned by the task's own heads
