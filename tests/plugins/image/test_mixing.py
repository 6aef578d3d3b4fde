"""Erased parts and mixtures, pixel by pixel."""

import numpy as np
import pytest

from headstart.specs import Change, InputRequest, Mix, MixesSamples
from headstart_plugins.image import ImageOptions
from headstart_plugins.image._build import build

KIND = build(InputRequest({"size": [20, 32]}, ImageOptions()))
OWN, PARTNER = (np.random.default_rng(seed).integers(0, 256, (20, 32, 3), np.uint8) for seed in (1, 2))


def mixed(mix):
    before = OWN.copy(), PARTNER.copy()
    after = KIND.mix({"image": OWN}, {"image": PARTNER}, mix)["image"]
    assert (after.dtype, after.shape) == (np.uint8, OWN.shape)
    assert (before[0] == OWN).all()
    assert (before[1] == PARTNER).all()
    return after


def erased(*parts, pixels=OWN):
    return KIND.transform({"image": pixels}, [Change("erase", part) for part in parts])["image"]


def test_the_image_kind_mixes_samples():
    assert isinstance(KIND, MixesSamples)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.7231, 1.0])
def test_an_average_is_rounded_to_the_nearest_grey_level(share):
    exact = share * OWN.astype(float) + (1 - share) * PARTNER
    assert np.abs(mixed(Mix(0.3, share)) - exact).max() <= 0.5 + 1e-9
    assert KIND.own_share(Mix(0.3, share)) == share


def test_halves_are_rounded_to_even():
    own, partner = np.full_like(OWN, 10), np.full_like(OWN, 11)
    assert (KIND.mix({"image": own}, {"image": partner}, Mix(0.0, 0.5))["image"] == 10).all()
    assert (KIND.mix({"image": partner}, {"image": partner + 1}, Mix(0.0, 0.5))["image"] == 12).all()


def test_a_box_holds_the_partner_to_the_pixel_and_the_share_counts_what_is_outside():
    after = mixed(Mix(0.3, 0.75, (-0.25, -0.5, 0.25, 0.0)))
    np.testing.assert_array_equal(after[:10, 8:24], PARTNER[:10, 8:24])
    after[:10, 8:24] = OWN[:10, 8:24]
    np.testing.assert_array_equal(after, OWN)
    assert KIND.own_share(Mix(0.3, 0.75, (-0.25, -0.5, 0.25, 0.0))) == 1 - 160 / 640


@pytest.mark.parametrize("seed", range(20))
def test_shares_are_those_of_the_pixels_wherever_the_box_lies(seed):
    edges = np.sort(np.random.default_rng(seed).uniform(-0.8, 0.8, (2, 2)), axis=0)
    mix = Mix(0.0, 0.5, (*map(float, edges[0]), *map(float, edges[1])))
    kept = (KIND.mix({"image": OWN // 2}, {"image": OWN // 2 + 128}, mix)["image"] < 128).mean()
    assert KIND.own_share(mix) == pytest.approx(kept, abs=1e-12)


def test_a_box_outside_of_the_picture_leaves_it_as_it_is():
    for box in ((0.6, 0.6, 0.9, 0.9), (-3.0, -3.0, -2.0, 3.0), (0.1, 0.1, 0.1, 0.1)):
        np.testing.assert_array_equal(mixed(Mix(0.0, 1.0, box)), OWN)
        assert KIND.own_share(Mix(0.0, 1.0, box)) == 1.0


def test_erasing_writes_the_mean_colour_of_the_picture():
    after = erased(((0.0, 0.0, 0.5, 0.5), "mean", 0))
    np.testing.assert_array_equal(after[10:, 16:], np.broadcast_to(np.rint(OWN.mean((0, 1))), (10, 16, 3)))
    np.testing.assert_array_equal(after[:10], OWN[:10])
    np.testing.assert_array_equal(after[10:, :16], OWN[10:, :16])


def test_noise_fills_the_range_evenly_and_is_a_function_of_its_seed():
    kind = build(InputRequest({"size": [128, 128]}, ImageOptions()))
    black = np.zeros((128, 128, 3), np.uint8)
    whole = (-0.5, -0.5, 0.5, 0.5)
    first, again, other = (
        kind.transform({"image": black}, (Change("erase", (whole, "noise", seed)),))["image"] for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.98
    counts = np.bincount(first.ravel(), minlength=256)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 340  # chi-squared, 255 degrees: p > 0.0003
    assert first[0, :4].ravel().tolist() == [145, 12, 253, 52, 98, 198, 214, 187, 72, 234, 120, 13]


def test_the_stored_sample_is_never_written_to():
    before = OWN.copy()
    erased(((-0.5, -0.5, 0.5, 0.5), "mean", 0))
    np.testing.assert_array_equal(OWN, before)
