"""What NanoDet declares is true of the published package."""

import pytest

from headstart.recipes.build import build_recipe
from headstart.registry import load_registry
from headstart.weights.source import verify_file
from headstart_plugins.nanodet import CLASSES

from .conftest import DEVIATION, MEAN, SPEC


def test_the_published_files_have_the_stated_size_and_digests(weights_file):
    verify_file(weights_file, SPEC.weights[0])


@pytest.mark.parametrize("value", [0, 127, 255])
@pytest.mark.parametrize("channel", range(3))
def test_preprocessing_is_nanodets_formula_blue_first(value, channel):
    plain = SPEC.weights[0].preprocess

    expected = (value - MEAN[channel]) / DEVIATION[channel]
    assert value * plain["scale"][channel] + plain["offset"][channel] == pytest.approx(expected, abs=1e-5)
    assert (plain["channels"], plain["size"]) == ("bgr", [416, 416])


def test_its_head_answers_cocos_classes_in_cocos_order():
    head = SPEC.weights[0].head

    assert head.labels["classes"] == list(CLASSES)
    assert len(set(CLASSES)) == 80
    places = {"person": 0, "motorcycle": 3, "cat": 15, "cup": 41, "chair": 56, "toothbrush": 79}
    assert {name: CLASSES.index(name) for name in places} == places
    ids = dict(zip(CLASSES, head.labels["category_ids"], strict=True))
    numbers = {"person": 1, "stop sign": 13, "cat": 17, "dog": 18, "backpack": 27, "chair": 62, "toothbrush": 90}
    assert {name: ids[name] for name in numbers} == numbers


@pytest.mark.parametrize(("head", "built"), [(None, "plain"), ("pyramid", "pyramid")])
def test_its_head_is_the_default_one_for_boxes_in_small_batches(bound, head, built):
    recipe = build_recipe(flags={"data": "deepforest", "backbone": "nanodet/coco", "head": head})
    made = bound(recipe, load_registry(), "boxes")

    assert (made.recipe.head, made.begun_head is not None) == (built, built == "plain")
    assert (made.recipe.batch_size, made.recipe.origin("batch_size")) == (8, "from detection/detection")


def test_both_licences_are_told():
    assert "Apache-2.0" in SPEC.weights[0].licence
    assert "MIT by the package" in SPEC.weights[0].licence
    assert SPEC.weights[0].trained_on == "COCO (boxes of 80 classes)"
