"""What is drawn for sounds: within the ranges of the options, spread over them, and the same for a key each time."""

import numpy as np
import pytest

from headstart.specs import AugmentationRequest
from headstart_plugins.sound_augmentations import (
    GainOptions,
    MaskingOptions,
    NoiseOptions,
    ReverberationOptions,
    ShiftOptions,
    SpeedOptions,
)
from headstart_plugins.sound_augmentations._build import Gain, Noise, Reverberation, SpecAugment, Speed, TimeShift


def values(build, options, count=400):
    """The value of the one change of each of so many sounds, where there is one."""
    augmentation = build(AugmentationRequest(options, frozenset()))
    drawn = [augmentation.draw(0, 0, f"clip {number}") for number in range(count)]
    assert drawn == [augmentation.draw(0, 0, f"clip {number}") for number in range(count)]
    assert drawn != [augmentation.draw(0, 1, f"clip {number}") for number in range(count)]
    return [change.value for each in drawn for change in each.changes]


@pytest.mark.parametrize(
    ("build", "options", "place", "low", "high"),
    [
        (Noise, NoiseOptions(lowest=5.0, highest=30.0, probability=1.0), 0, 5, 30),
        (Gain, GainOptions(decibels=6.0), None, -6, 6),
        (TimeShift, ShiftOptions(seconds=0.2), None, -0.2, 0.2),
        (Reverberation, ReverberationOptions(shortest=0.1, longest=0.8, probability=1.0), 0, 0.1, 0.8),
        (Reverberation, ReverberationOptions(wettest=0.0, driest=20.0, probability=1.0), 1, 0, 20),
    ],
)
def test_values_are_even_over_their_range(build, options, place, low, high):
    found = np.array([each if place is None else each[place] for each in values(build, options)])
    assert len(found) == 400
    assert ((found >= low) & (found <= high)).all()
    shares = (found - low) / (high - low)
    assert shares.mean() == pytest.approx(0.5, abs=0.05)
    assert shares.std() == pytest.approx(12**-0.5, abs=0.03)


def test_faster_and_slower_weigh_the_same():
    found = np.log(values(Speed, SpeedOptions(factor=1.25, probability=1.0))) / np.log(1.25)
    assert np.abs(found).max() <= 1
    assert found.mean() == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(
    ("build", "options"), [(Noise, NoiseOptions), (Speed, SpeedOptions), (Reverberation, ReverberationOptions)]
)
def test_only_a_share_of_sounds_changes(build, options):
    assert len(values(build, options(probability=0.25))) == pytest.approx(100, abs=25)


def test_masks_are_as_many_as_asked_for_and_no_wider():
    options = MaskingOptions(times=2, time_share=0.1, bands=1, band_share=0.3)
    augmentation = SpecAugment(AugmentationRequest(options, frozenset()))
    widths = {"mask_times": [], "mask_bands": []}
    for number in range(200):
        changes = augmentation.draw(0, 0, f"clip {number}").changes
        assert [change.name for change in changes] == ["mask_times", "mask_times", "mask_bands"]
        for change in changes:
            start, end = change.value
            assert 0 <= start <= end <= 1
            widths[change.name].append(end - start)
    assert max(widths["mask_times"]) <= 0.1 + 1e-9
    assert np.mean(widths["mask_times"]) == pytest.approx(0.05, abs=0.01)
    assert np.mean(widths["mask_bands"]) == pytest.approx(0.15, abs=0.03)


def test_exchanged_ends_of_a_range_are_refused():
    with pytest.raises(ValueError, match="lowest and highest are 30 and 5"):
        NoiseOptions(lowest=30.0, highest=5.0)
    with pytest.raises(ValueError, match="wettest and driest"):
        ReverberationOptions(wettest=10.0, driest=5.0)
