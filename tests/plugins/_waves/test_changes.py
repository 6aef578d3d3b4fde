"""What augmentations draw for sounds, against closed forms."""

import numpy as np
import pytest

pytest.importorskip("soxr")

from recordings import babble, tone

from headstart.errors import PluginError
from headstart.specs import Change
from headstart_plugins._waves.changes import NO_MASKS, hidden, power, varied

RATE = 16_000


def changed(samples, *changes):
    return varied(samples, NO_MASKS, RATE, [Change(name, value) for name, value in changes])[0]


def decibels(ratio):
    return 10 * np.log10(ratio)


@pytest.mark.parametrize("wanted", [-5.0, 0.0, 10.0, 30.0])
def test_noise_is_as_far_below_the_sound_as_was_drawn(wanted):
    samples = babble()
    noise = changed(samples, ("noise", (wanted, 3))) - samples
    assert decibels(power(samples) / power(noise)) == pytest.approx(wanted, abs=0.01)
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    low, high = spectrum[: len(spectrum) // 2].mean(), spectrum[len(spectrum) // 2 :].mean()
    assert decibels(low / high) == pytest.approx(0, abs=0.5)  # white


def test_noise_is_measured_and_added_where_there_is_sound():
    """A short sound in a long window would otherwise be drowned by less noise than was drawn."""
    sound = babble(0.5)
    made = changed(np.pad(sound, (0, 3 * len(sound))), ("noise", (10.0, 3)))
    assert not made[len(sound) :].any()
    assert decibels(power(sound) / power(made[: len(sound)] - sound)) == pytest.approx(10, abs=0.01)
    assert not changed(np.zeros(100, np.float32), ("noise", (10.0, 3))).any()


def test_noise_is_the_same_for_a_seed_and_another_for_the_next():
    first, again, other = (changed(babble(), ("noise", (10.0, seed))) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_gain_is_in_decibels():
    assert np.allclose(changed(tone(), ("gain", -20.0)), tone() / 10)


def test_a_shift_moves_by_whole_samples_and_brings_silence():
    samples = babble(1.0)
    later, earlier = changed(samples, ("shift", 0.25)), changed(samples, ("shift", -0.25))
    assert not later[:4000].any()
    assert np.array_equal(later[4000:], samples[:-4000])
    assert np.array_equal(earlier[:-4000], samples[4000:])
    assert not earlier[-4000:].any()
    assert not changed(samples, ("shift", 2.0)).any()


def test_a_faster_sound_is_higher_and_shorter():
    made = changed(tone(400.0), ("speed", 1.25))
    used = round(RATE / 1.25)
    assert len(made) == RATE
    assert np.abs(made[200 : used - 200] - tone(500.0)[200 : used - 200]).max() < 1e-3
    assert np.abs(made[used:]).max() < 1e-3


def test_echoes_fall_by_60_decibels_in_the_time_drawn_and_are_as_loud_as_drawn():
    click = np.zeros(2 * RATE, np.float32)
    click[0] = 1
    made = changed(click, ("reverberation", (1.0, 6.0, 5))).astype(np.float64)
    assert power(made) == pytest.approx(power(click), rel=1e-4)
    echoes = made[1:]
    assert decibels(made[0] ** 2 / np.sum(echoes**2)) == pytest.approx(6, abs=0.1)
    early, late = np.sum(echoes[: RATE // 10] ** 2), np.sum(echoes[RATE // 2 : RATE // 2 + RATE // 10] ** 2)
    assert decibels(early / late) == pytest.approx(30, abs=1)  # half a second apart


def test_masks_hide_their_shares_of_time_and_bands():
    samples, masks = varied(
        babble(), NO_MASKS, RATE, [Change("mask_times", (0.25, 0.5)), Change("mask_bands", (0.0, 0.1))]
    )
    assert np.array_equal(samples, babble())
    where = hidden(masks, 100, 40)
    assert where[25:50].all()
    assert where[:, :4].all()
    assert where.sum() == 25 * 40 + 75 * 4
    assert not hidden(NO_MASKS, 100, 40).any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("noise", 10.0),
        ("gain", "loud"),
        ("speed", 0.0),
        ("mask_times", (0.5, 1.5)),
        ("mask_times", (0.5, 0.4)),
        ("flip", None),
    ],
)
def test_what_cannot_be_applied_is_refused_by_name(name, value):
    with pytest.raises(PluginError, match=name):
        changed(babble(0.2), (name, value))
