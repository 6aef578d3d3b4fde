"""Draws what happens to a sound: numbers that the kinds of sound apply to its samples or features."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from headstart.specs import Change, Drawn
from headstart_plugins._draws import Keyed, between, log_between

SEEDS = 2**53


class Noise(Keyed):
    """White noise at a ratio that is even in decibels."""

    name = "noise"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """(ratio in decibels, seed), for the share of sounds that get any."""
        coin, ratio, seed = islice(numbers, 3)
        if coin >= self.options.probability:
            return Drawn()
        value = (between(self.options.lowest, self.options.highest, ratio), int(seed * SEEDS))
        return Drawn((Change("noise", value),))


class Gain(Keyed):
    """A gain that is even in decibels."""

    name = "gain"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """Decibels to both sides."""
        most = self.options.decibels
        return Drawn((Change("gain", between(-most, most, next(numbers))),))


class TimeShift(Keyed):
    """A shift that is even in time."""

    name = "time_shift"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """Seconds to both sides."""
        most = self.options.seconds
        return Drawn((Change("shift", between(-most, most, next(numbers))),))


class Speed(Keyed):
    """A factor whose logarithm is even, so that faster and slower weigh the same (Ko et al. 2015, Audio Augmentation
    for Speech Recognition, take 0.9, 1 and 1.1)."""

    name = "speed"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """The factor, for the share of sounds that change."""
        coin, number = islice(numbers, 2)
        if coin >= self.options.probability or self.options.factor == 1:
            return Drawn()
        return Drawn((Change("speed", log_between(1 / self.options.factor, self.options.factor, number)),))


class Reverberation(Keyed):
    """A synthetic room."""

    name = "reverberation"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """(decay time in seconds, ratio of direct sound to echoes in decibels, seed)."""
        coin, time, ratio, seed = islice(numbers, 4)
        if coin >= self.options.probability:
            return Drawn()
        decay = between(self.options.shortest, self.options.longest, time)
        value = (decay, between(self.options.wettest, self.options.driest, ratio), int(seed * SEEDS))
        return Drawn((Change("reverberation", value),))


class SpecAugment(Keyed):
    """Masks as in Park et al. 2019 (arXiv:1904.08779), section 2, without time warping: a width that is even up to the
    largest, then a start that is even among those that fit. Widths are shares, so that they suit any window."""

    name = "spec_augment"

    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """(start, end) of each mask; those of time first."""
        options = self.options
        parts = [("mask_times", options.time_share)] * options.times + [
            ("mask_bands", options.band_share)
        ] * options.bands
        changes = []
        for name, most in parts:
            width, place = islice(numbers, 2)
            share = width * most
            start = place * (1 - share)
            changes.append(Change(name, (start, start + share)))
        return Drawn(tuple(changes))
