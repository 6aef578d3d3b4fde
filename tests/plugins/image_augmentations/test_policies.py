"""TrivialAugment and RandAugment against the published tables, as torchvision has them in `autoaugment.py`."""

import math
from collections import Counter

import numpy as np
import pytest

from headstart.specs import AugmentationRequest, Change, Drawn
from headstart_plugins._affine import STILL
from headstart_plugins.image._changes import Fused, fused
from headstart_plugins.image_augmentations import RandAugmentOptions
from headstart_plugins.image_augmentations._policies import USUAL, WIDE, RandAugment, TrivialAugment
from headstart_plugins.image_augmentations._policies import operations as drawn_operations

EVERYTHING = frozenset({"horizontal_flip", "rotation", "colour_inversion"})
KEYS = [f"sample-{index}" for index in range(6000)]
BINS = range(31)

TRIVIAL_BITS = [8, 8, 8, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 2, 2, 2]
RAND_BITS = [8, 8, 8, 8, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 6, 6, 6, 5, 5, 5, 5, 5, 5, 5, 5, 4, 4, 4, 4]
"""8 - round(arange(31) / 5), and with 7.5: what `TrivialAugmentWide` and `RandAugment` print."""


def draw_all(augmentation, keys=KEYS[:1500]):
    return [fused(augmentation.draw(0, 1, key).changes) for key in keys]


def operations(ranges, *, inversion):
    """Each operation as the image kind applies what it draws."""
    found = drawn_operations(ranges, inversion=inversion)
    return {name: lambda *strength, drawn=drawn: fused(drawn(*strength)) for name, drawn in found.items()}


def strengths(drawn, name):
    return [colour.value for each in drawn for colour in each.colours if colour.name == name]


@pytest.mark.parametrize(("ranges", "bits"), [(WIDE, TRIVIAL_BITS), (USUAL, RAND_BITS)])
def test_bits_and_thresholds_are_the_published_ones_in_each_of_31_bins(ranges, bits):
    found = operations(ranges, inversion=True)
    assert [found["posterize"](bin / 30, 1).colours[0].value for bin in BINS] == bits
    thresholds = [found["solarize"](bin / 30, 1).colours[0].value for bin in BINS]
    assert thresholds == pytest.approx(np.linspace(255, 0, 31))


@pytest.mark.parametrize(
    ("ranges", "shear", "shift", "turn", "factor"),
    [(WIDE, 0.99, 32 / 224, 135, 0.99), (USUAL, 0.3, 150 / 331, 30, 0.9)],
)
def test_the_other_ranges_end_where_the_published_ones_end(ranges, shear, shift, turn, factor):
    found = operations(ranges, inversion=False)
    for sign in (1, -1):
        assert found["shear_x"](1, sign).matrix[0] == (1, sign * shear, 0)
        assert found["shear_y"](1, sign).matrix[1] == (sign * shear, 1, 0)
        assert found["translate_x"](1, sign).matrix[0] == (1, 0, sign * shift)
        assert found["translate_y"](1, sign).matrix[1] == (0, 1, sign * shift)
        (a, b, _), (d, e, _), _ = found["rotate"](1, sign).matrix
        assert (a, e) == pytest.approx((math.cos(math.radians(turn)),) * 2)
        assert (d, -b) == pytest.approx((sign * math.sin(math.radians(turn)),) * 2)
        for name in ("brightness", "saturation", "contrast", "sharpness"):
            assert found[name](1, sign).colours[0].value == pytest.approx(1 + sign * factor)
            assert found[name](0, sign).colours[0].value == 1
    assert found["identity"](1, 1) == Fused()
    assert "solarize" not in found


def test_trivial_augment_draws_each_operation_and_strength_as_often():
    drawn = draw_all(TrivialAugment(AugmentationRequest(None, EVERYTHING)), KEYS)
    assert all(len(each.colours) + (each.matrix != STILL) <= 1 for each in drawn)
    names = Counter(each.colours[0].name for each in drawn if each.colours)
    expected = len(KEYS) / 14
    assert set(names) == {
        *("brightness", "saturation", "contrast", "sharpness"),
        *("posterize", "solarize", "autocontrast", "equalize"),
    }
    assert all(abs(count - expected) < 5 * math.sqrt(expected) for count in names.values())
    thresholds = Counter(round(each / 8.5) for each in strengths(drawn, "solarize"))
    assert set(thresholds) == set(BINS)
    factors = np.array(strengths(drawn, "contrast"))
    assert factors.min() == pytest.approx(0.01)
    assert factors.max() == pytest.approx(1.99)
    assert abs((factors > 1).mean() - 30 / 62) < 0.08


def test_turns_beyond_30_degrees_and_inversion_need_a_dataset_that_allows_them():
    turned = {}
    for symmetries in (frozenset(), EVERYTHING):
        drawn = draw_all(TrivialAugment(AugmentationRequest(None, symmetries)))
        turns = [math.degrees(math.atan2(each.matrix[1][0], each.matrix[0][0])) for each in drawn]
        pure = [turn for turn, each in zip(turns, drawn, strict=True) if each.matrix[1][0] == -each.matrix[0][1]]
        turned[symmetries] = max(map(abs, pure))
        rand = draw_all(RandAugment(AugmentationRequest(RandAugmentOptions(), symmetries)))
        for found in (drawn, rand):
            assert bool(strengths(found, "solarize")) == bool(symmetries)
    assert turned == {frozenset(): pytest.approx(30), EVERYTHING: pytest.approx(135)}


@pytest.mark.parametrize("symmetries", [frozenset(), EVERYTHING])
def test_no_policy_ever_mirrors(symmetries):
    for augmentation in (
        TrivialAugment(AugmentationRequest(None, symmetries)),
        RandAugment(AugmentationRequest(RandAugmentOptions(), symmetries)),
    ):
        assert min(np.linalg.det(np.array(each.matrix)) for each in draw_all(augmentation)) > 0


def test_rand_augment_draws_n_operations_of_one_magnitude():
    options = RandAugmentOptions(n=3, m=15)
    drawn = draw_all(RandAugment(AugmentationRequest(options, EVERYTHING)))
    assert max(len(each.colours) for each in drawn) == 3
    assert set(strengths(drawn, "brightness")) == {1 - 0.45, 1 + 0.45}
    assert set(strengths(drawn, "posterize")) == {6}
    assert set(strengths(drawn, "solarize")) == {127.5}
    moved = np.array([each.matrix for each in drawn])
    once = {round(abs(value), 6) for value in moved[:, 0, 2] if value and abs(value) < 0.23}
    assert round(150 / 331 / 2, 6) in once
    # identity three times, or shears, shifts and turns that cancel out: (1 + ...)/14^3 of the draws are the identity
    assert sum(each == Fused() for each in drawn) < 10


def test_the_strongest_rand_augment_never_turns_a_picture_upside_down():
    strongest = RandAugment(AugmentationRequest(RandAugmentOptions(n=3, m=30), frozenset()))
    assert min(each.matrix[0][0] + each.matrix[1][1] for each in draw_all(strongest)) > -1e-9


def test_draws_are_pinned_so_that_old_runs_can_be_repeated():
    trivial = TrivialAugment(AugmentationRequest(None, frozenset()))
    rand = RandAugment(AugmentationRequest(RandAugmentOptions(), frozenset()))
    shifted = ((1.0, 0.0, 0.13595166163141995), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    assert trivial.draw(0, 0, "sample") == Drawn((Change("autocontrast"),))
    assert rand.draw(0, 0, "sample") == Drawn((Change("matrix", shifted), Change("saturation", 1.27)))
