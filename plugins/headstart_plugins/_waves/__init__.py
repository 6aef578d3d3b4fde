"""What input kinds of sound share: recordings read, cut into windows, varied, and turned into bands of frequency.

`WaveKind` in `kind.py` is an input kind but for its features. Stored are the samples of each window, float32 at the
rate of the weights, so that what changes a recording (noise, gain, shift, speed, reverberation) changes these; features
come of them in `stage()`, on the device and in every exported graph. A kind of its own states its rate, a `Mel`, and
what becomes of the powers in its bands:

    class MyKind(WaveKind):
        def features(self, samples, masks):      # (batch, n) and (batch, 2, 200), symbolic
            bands = logarithm(self.mel.of_tensor(samples))             # (batch, frame, band)
            return {"features": masked(bands, masks)}
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.options import option


@dataclass(frozen=True)
class WaveOptions:
    """What a user can choose about reading sounds; rate and features belong to the weights."""

    seconds: float | None = option(
        None,
        "Length of a window; shorter sounds are padded with silence, longer ones heard in several windows, whose "
        "answers are averaged. What the weights are meant for if unset.",
        low=0.05,
        high=600.0,
    )
    hop: float | None = option(
        None,
        "Seconds from one window to the next; the windows' own length if unset. The last one ends with the sound.",
        low=0.01,
        high=600.0,
    )
    max_windows: int = option(
        16,
        "Windows of one sound; of those in longer ones so many are heard, evenly spread.",
        low=1,
        high=100_000,
    )
    max_minutes: int = option(
        60,
        "Longest sound that is decoded; each minute takes 4 MB or more in every thread that reads.",
        low=1,
        high=10_000,
    )


CHANGES = {
    "gain": "Louder or softer: decibels, -120 to 120.",
    "noise": "Adds white noise where there is sound: (decibels of the sound's mean power above the noise's, -60 to "
    "120; the seed of the noise, 0 to 2**53).",
    "shift": "Moves the sound in time: seconds, positive is later; silence comes after it.",
    "speed": "Plays it faster, and higher: the factor, 0.25 to 4; 1 changes nothing.",
    "reverberation": "As in a room: (seconds in which the echoes fall by 60 decibels, 0.01 to 10; decibels of the "
    "direct sound above them, -20 to 60; the seed of the echoes, 0 to 2**53). The mean power stays.",
    "mask_times": "Hides the features of a stretch: (start, end) as shares of the window, 0 to 1.",
    "mask_bands": "Hides bands of frequency: (lowest, highest) as shares of the bands, 0 to 1.",
}
"""What can be drawn for sounds: applied in order to the samples of a window, masks to the features."""

READERS = ("soundfile", "soxr", "numpy")
"""Packages whose releases may read the same recording otherwise."""
