"""Colour, erasing and mixtures: what is drawn has the distributions of the papers."""

import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from headstart.options import parse_options
from headstart.specs import AugmentationRequest, Change, Drawn, Mix
from headstart_plugins.image._changes import fused
from headstart_plugins.image_augmentations import ColourOptions, CutmixOptions, ErasingOptions, MixupOptions
from headstart_plugins.image_augmentations._build import Cutmix, Jitter, Mixup, RandomErasing

KEYS = [f"sample-{index}" for index in range(3000)]
SURE = 1e-3
"""Draws are pinned by their keys: a test of distribution that passes once passes always."""


def drawn(build, options):
    augmentation = build(AugmentationRequest(options, frozenset()))
    return [augmentation.draw(0, 1, key) for key in KEYS]


def p_value(values, distribution):
    return stats.kstest(values, distribution.cdf).pvalue


def uniform(low, high):
    return stats.uniform(low, high - low)


def test_colour_draws_factors_and_hues_evenly_in_every_order():
    found = drawn(Jitter, ColourOptions())
    for name, low, high in (
        ("brightness", 0.6, 1.4),
        ("contrast", 0.6, 1.4),
        ("saturation", 0.6, 1.4),
        ("hue", -0.1, 0.1),
    ):
        strengths = [each.value for one in found for each in one.changes if each.name == name]
        assert len(strengths) == len(KEYS)
        assert p_value(strengths, uniform(low, high)) > SURE
    orders = Counter(tuple(each.name for each in one.changes) for one in found)
    assert len(orders) == 24
    assert stats.chisquare(list(orders.values())).pvalue > SURE


def test_a_property_with_no_reach_is_left_out_and_factors_stay_above_0():
    found = drawn(Jitter, ColourOptions(brightness=0.0, contrast=2.0, saturation=0.0, hue=0.0))
    assert {tuple(each.name for each in one.changes) for one in found} == {("contrast",)}
    assert min(one.changes[0].value for one in found) >= 0
    assert max(one.changes[0].value for one in found) > 2.9


def boxes(found):
    return np.array([fused(one.changes).erased[0].box for one in found if one.changes])


def test_erasing_leaves_half_alone_and_draws_areas_ratios_and_places_evenly():
    found = drawn(RandomErasing, ErasingOptions())
    left, top, right, bottom = boxes(found).T
    assert abs(len(left) / len(KEYS) - 0.5) < 0.03
    area, ratio = (right - left) * (bottom - top), (bottom - top) / (right - left)
    assert p_value(area, uniform(0.02, 0.33)) > SURE
    small = area < 0.3  # where every ratio fits
    assert p_value(np.log(ratio[small]), uniform(math.log(0.3), math.log(1 / 0.3))) > SURE
    assert min(left.min(), top.min()) >= -0.5
    assert max(right.max(), bottom.max()) <= 0.5 + 1e-9
    assert p_value((left + 0.5) / (1 - (right - left)), uniform(0, 1)) > SURE
    assert p_value((top + 0.5) / (1 - (bottom - top)), uniform(0, 1)) > SURE


def test_erasing_fills_with_noise_of_its_own_for_each_picture():
    found = [
        fused(one.changes).erased[0] for one in drawn(RandomErasing, ErasingOptions(fill="noise", probability=1.0))
    ]
    assert {each.fill for each in found} == {"noise"}
    assert len({each.seed for each in found}) == len(KEYS)


def test_erasing_everything_is_a_box_of_the_whole_picture():
    found = boxes(drawn(RandomErasing, ErasingOptions(smallest=1.0, largest=1.0, probability=1.0)))
    np.testing.assert_allclose(found, np.tile([-0.5, -0.5, 0.5, 0.5], (len(KEYS), 1)), atol=1e-8)


def test_bounds_that_contradict_each_other_are_refused_by_name():
    _, problems = parse_options(ErasingOptions, {"smallest": 0.5, "largest": 0.1}, "augmentation.random_erasing")
    assert "smallest is 0.5, above largest, which is 0.1" in str(problems[0])


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 2.0])
def test_shares_of_mixup_have_the_beta_distribution_and_partners_are_evenly_drawn(alpha):
    found = [one.mix for one in drawn(Mixup, MixupOptions(alpha=alpha))]
    assert None not in found
    assert all(mix.region is None for mix in found)
    shares = np.array([mix.share for mix in found])
    # for small alpha much of the distribution lies closer to 0 and 1 than the digits that are kept
    assert np.abs(np.quantile(shares, [0.3, 0.5, 0.7]) - stats.beta(alpha, alpha).ppf([0.3, 0.5, 0.7])).max() < 0.08
    assert shares.var() == pytest.approx(stats.beta(alpha, alpha).var(), rel=0.06)
    if alpha > 0.1:
        assert p_value(shares, stats.beta(alpha, alpha)) > SURE
    assert p_value([mix.partner for mix in found], uniform(0, 1)) > SURE


def test_boxes_of_cutmix_have_the_area_and_centres_of_the_paper():
    found = [one.mix for one in drawn(Cutmix, CutmixOptions())]
    left, top, right, bottom = np.array([mix.region for mix in found]).T
    inner = (left > -0.5) & (right < 0.5) & (top > -0.5) & (bottom < 0.5)
    np.testing.assert_allclose(right[inner] - left[inner], bottom[inner] - top[inner])  # the picture's proportions
    shares = np.array([mix.share for mix in found])
    np.testing.assert_allclose(shares, 1 - (right - left) * (bottom - top))
    # with lambda uniform, 1 - lambda = s^2 for a side s of density 2s; a side s around a uniform centre keeps
    # s - s^2/4 of the picture's width on average, so that the kept area is the integral of 2s (s - s^2/4)^2
    assert (1 - shares).mean() == pytest.approx(2 * (1 / 4 - 1 / 10 + 1 / 96), rel=0.04)
    assert np.abs(left).max() <= 0.5
    assert np.abs(bottom).max() <= 0.5


@pytest.mark.parametrize(("build", "options"), [(Mixup, MixupOptions), (Cutmix, CutmixOptions)])
def test_a_probability_leaves_the_others_unmixed(build, options):
    found = drawn(build, options(probability=0.25))
    assert abs(np.mean([one.mix is not None for one in found]) - 0.25) < 0.03
    assert all(one == Drawn() for one in found if one.mix is None)


def test_draws_are_pinned_so_that_old_runs_can_be_repeated():
    expected = {
        (Jitter, ColourOptions()): Drawn(
            (
                Change("hue", 0.05563809496853109),
                Change("saturation", 0.947313289242274),
                Change("brightness", 0.8052167226610765),
                Change("contrast", 1.0676986885066633),
            )
        ),
        (RandomErasing, ErasingOptions(probability=1.0, fill="noise")): Drawn(
            (
                Change(
                    "erase",
                    (
                        (-0.40844831795646186, 0.058460477160802715, -0.056605979549745944, 0.3111148107100891),
                        "noise",
                        5273750200150783,
                    ),
                ),
            )
        ),
        (Mixup, MixupOptions()): Drawn(mix=Mix(0.3073519151236681, 0.44217437)),
        (Cutmix, CutmixOptions()): Drawn(
            mix=Mix(
                0.1971140016268682,
                0.6305905090302744,
                (-0.5, -0.1170298534973917, 0.09868981845185099, 0.5),
            )
        ),
    }
    for (build, options), pinned in expected.items():
        assert build(AugmentationRequest(options, frozenset())).draw(0, 0, "sample") == pinned
