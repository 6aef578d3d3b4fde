"""Draws, and what the image kind makes of them, are those that were recorded when each was one matrix with colours."""

import json
from pathlib import Path

import pytest

from headstart.data.views import Composed
from headstart.registry import load_registry
from headstart.specs import AugmentationRequest, Mix
from headstart_plugins.image._changes import fused

RECORDED = json.loads((Path(__file__).parent / "recorded_draws.json").read_text(encoding="utf-8"))
DRAWS = [(3, epoch, f"sample-{number}") for epoch, numbers in ((0, (0, 1, 2)), (7, (5, 6))) for number in numbers]
EVERYTHING = frozenset({"horizontal_flip", "rotation", "colour_inversion"})
NOISE = {"fill": "noise"}
PARTS = {
    "trivial_augment/nosym": [("trivial_augment", {}, frozenset())],
    "rand_augment/options": [("rand_augment", {"n": 3, "m": 17}, EVERYTHING)],
    "random_erasing/options": [("random_erasing", NOISE, EVERYTHING)],
    "light+classic+colour": [("light", {}, EVERYTHING), ("classic", {}, EVERYTHING), ("colour", {}, EVERYTHING)],
    "colour+trivial+erasing+mixup": [
        ("colour", {}, EVERYTHING),
        ("trivial_augment", {}, EVERYTHING),
        ("random_erasing", NOISE, EVERYTHING),
        ("mixup", {}, EVERYTHING),
    ],
    "rand+erasing+rand+cutmix+mixup": [
        ("rand_augment", {}, EVERYTHING),
        ("random_erasing", {**NOISE, "probability": 1.0}, EVERYTHING),
        ("rand_augment", {"n": 3}, EVERYTHING),
        ("cutmix", {}, EVERYTHING),
        ("mixup", {}, EVERYTHING),
    ],
}
"""What each recorded set is composed of; those that are not listed are one augmentation with its defaults."""


@pytest.fixture(scope="module")
def registry():
    return load_registry(allow=("image_augmentations",))


def build(registry, name, options, symmetries):
    spec = registry.get("augmentations", name)
    return registry.load_target(spec, spec.build)(AugmentationRequest(spec.options(**options), symmetries))


def as_tuples(value):
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value


@pytest.mark.parametrize("name", RECORDED)
def test_draws_are_the_recorded_ones_to_the_bit(registry, name):
    parts = [build(registry, *part) for part in PARTS.get(name, [(name, {}, EVERYTHING)])]
    drawn = [Composed(tuple(parts)).draw(*draw) for draw in DRAWS]
    for found, recorded in zip(drawn, RECORDED[name], strict=True):
        whole = fused(found.changes)
        assert whole.matrix == as_tuples(recorded["matrix"])
        assert [[each.name, each.value or 0.0] for each in whole.colours] == recorded["colours"]
        assert [(each.box, each.fill, each.seed) for each in whole.erased] == list(map(as_tuples, recorded["erased"]))
        assert found.mix == (None if recorded["mix"] is None else Mix(*as_tuples(recorded["mix"])))
