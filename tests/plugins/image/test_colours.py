"""Changes of values against their definitions, computed in numpy and the standard library."""

import colorsys

import numpy as np
import pytest
from PIL import Image, ImageOps

from headstart.specs import Change, InputRequest
from headstart_plugins.image import CHANGES, ImageOptions
from headstart_plugins.image._build import build
from headstart_plugins.image._colours import COLOURS

PIXELS = np.random.default_rng(3).integers(0, 256, (24, 20, 3), np.uint8)
GREY = (PIXELS @ np.array([19595, 38470, 7471]) + 0x8000) >> 16  # ITU-R 601 in 16 bits, as Pillow documents "L"


def changed(*colours, pixels=PIXELS):
    kind = build(InputRequest({"size": list(pixels.shape[:2])}, ImageOptions()))
    before = pixels.copy()
    after = kind.transform({"image": pixels}, colours)["image"]
    assert (after.dtype, after.shape) == (np.uint8, pixels.shape)
    np.testing.assert_array_equal(pixels, before)
    return after


def blended(base, factor):
    """Base plus factor times the difference from it, clipped."""
    return np.clip(base + factor * (PIXELS - base), 0, 255)


@pytest.mark.parametrize("factor", [0.01, 0.4, 1.0, 1.5, 1.99])
def test_factors_move_away_from_black_the_mean_grey_and_the_shades_of_grey(factor):
    bases = {"brightness": 0.0, "contrast": float(int(GREY.mean() + 0.5)), "saturation": GREY[:, :, None]}
    for name, base in bases.items():
        after = changed(Change(name, factor)).astype(float)
        assert np.abs(after - blended(base, factor)).max() <= 1.0 + 1e-3, name  # rounded down to whole grey levels


def test_sharpness_moves_away_from_the_smoothed_picture():
    smooth = np.array(PIXELS, float)
    inner = sum(
        PIXELS[1 + y : 23 + y, 1 + x : 19 + x].astype(float) * (5 if (y, x) == (0, 0) else 1)
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    )
    smooth[1:-1, 1:-1] = inner / 13
    for factor in (0.1, 1.7):
        after = changed(Change("sharpness", factor)).astype(float)
        assert np.abs(after - blended(smooth, factor)).max() <= 2.0


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_keeps_the_high_bits(bits):
    np.testing.assert_array_equal(changed(Change("posterize", bits)), PIXELS & (256 - 2 ** (8 - bits)))


@pytest.mark.parametrize("threshold", [0, 100, 178.5, 255, 256])
def test_solarize_inverts_from_the_threshold_on(threshold):
    expected = np.where(int(threshold) <= PIXELS, 255 - PIXELS, PIXELS)
    np.testing.assert_array_equal(changed(Change("solarize", threshold)), expected)


def test_invert_autocontrast_and_equalize():
    np.testing.assert_array_equal(changed(Change("invert")), 255 - PIXELS)
    narrow = (60 + PIXELS // 4).astype(np.uint8)
    stretched = changed(Change("autocontrast"), pixels=narrow)
    low, high = narrow.min(axis=(0, 1)).astype(float), narrow.max(axis=(0, 1))
    assert np.abs(stretched - (narrow - low) * 255 / (high - low)).max() <= 1.0
    large = np.random.default_rng(4).integers(60, 124, (96, 96, 3), np.uint8)
    flat = changed(Change("equalize"), pixels=large)
    np.testing.assert_array_equal(flat, np.asarray(ImageOps.equalize(Image.fromarray(large))))
    assert np.abs(np.sort(flat[:, :, 0].ravel()) - np.linspace(0, 255, 96 * 96)).max() < 12  # evenly distributed


def test_a_hue_moves_round_the_circle_and_grey_stays():
    vivid = np.array([[(255, 0, 0), (0, 200, 40), (10, 60, 250), (90, 90, 90)]], np.uint8)
    for share in (1 / 3, -0.25, 0.5):
        after = changed(Change("hue", share), pixels=np.repeat(vivid, 4, axis=0))[0]
        for before, found in zip(vivid[0] / 255, after / 255, strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*before)
            expected = colorsys.hsv_to_rgb((hue + share) % 1, saturation, value)
            assert np.abs(np.array(expected) - found).max() < 10 / 255  # hues are rounded to 256


def test_a_hue_of_nothing_or_all_of_the_circle_is_the_same_picture():
    assert np.abs(changed(Change("hue", 0.0)).astype(int) - PIXELS).max() <= 12  # through 256 hues and saturations
    np.testing.assert_array_equal(changed(Change("hue", 0.5)), changed(Change("hue", -0.5)))


def test_every_colour_that_can_be_drawn_can_be_applied():
    assert set(COLOURS) == set(CHANGES) - {"matrix", "erase"}


def test_colours_come_in_order_after_the_matrix_and_before_what_is_erased():
    dark, light = Change("brightness", 0.5), Change("solarize", 128)
    assert (changed(dark, light) != changed(light, dark)).any()
    kind = build(InputRequest({"size": [24, 20]}, ImageOptions()))
    mirror = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    box = (-0.5, -0.5, 0.0, 0.5)
    whole = (Change("erase", (box, "noise", 7)), Change("invert"), Change("matrix", mirror))
    after = kind.transform({"image": PIXELS}, whole)["image"]
    np.testing.assert_array_equal(after[:, 10:], 255 - PIXELS[:, 9::-1])
    assert (after[:, :10] != 255 - PIXELS[:, :9:-1]).any()
