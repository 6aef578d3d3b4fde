"""Recordings as people see them: spectrograms, what was drawn for them in words, and what near-copies share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from headstart.specs import Change, Drawn
from headstart_plugins._waves.changes import hidden
from headstart_plugins._waves.mel import Mel

RANGE = 8.0
"""Powers of ten below the loudest that are shown: 80 dB."""
COLOURS = np.array(
    [
        (0, 0, 4),
        (40, 11, 84),
        (101, 21, 110),
        (159, 42, 99),
        (212, 72, 66),
        (245, 125, 21),
        (250, 193, 39),
        (252, 255, 164),
    ]
)
"""Even steps of the map `inferno`: evenly brighter, in print too."""
HIDDEN = (128, 128, 128)
SHORTEST = 0.5
LOUDEST = 1e-3
PARTS = 9


def spectrogram(mel: Mel, samples: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """RGB pixels (band, frame, 3) uint8 of `samples` (n,) float32: the highest band above, bright is loud over 80 dB;
    grey where `masks` (2, 200) hide something."""
    powers = np.log10(np.maximum(mel.of_array(samples), 1e-10))
    shares = np.clip((powers - powers.max()) / RANGE + 1, 0, 1) if np.any(samples) else np.zeros_like(powers)
    stops = np.linspace(0, 1, len(COLOURS))
    pixels = np.stack([np.interp(shares, stops, COLOURS[:, channel]) for channel in range(3)], axis=2).astype(np.uint8)
    pixels[hidden(masks, *powers.shape)] = HIDDEN
    return np.ascontiguousarray(pixels.transpose(1, 0, 2)[::-1])


WORDS: Mapping[str, Callable[[Any], str]] = {
    "gain": lambda value: f"gain {value:+.1f} dB",
    "noise": lambda value: f"noise {value[0]:.0f} dB below",
    "shift": lambda value: f"shift {value:+.2f} s",
    "speed": lambda value: f"speed {value:.2f}",
    "reverberation": lambda value: f"echoes of {value[0]:.2f} s, {value[1]:.0f} dB below",
    "mask_times": lambda value: f"{(value[1] - value[0]):.0%} of the time hidden",
    "mask_bands": lambda value: f"{(value[1] - value[0]):.0%} of the bands hidden",
}


def drawn_in_words(drawn: Drawn) -> tuple[str, ...]:
    """What was drawn, in the order in which it is applied."""
    return (*(_in_words(change) for change in drawn.changes), *("mixed" for _ in drawn.steps))


def _in_words(change: Change) -> str:
    return WORDS[change.name](change.value) if change.name in WORDS else change.name


def fingerprint_of(samples: np.ndarray, rate: int) -> int | None:
    """64 bits that a recording mostly shares with itself at another gain or rate, and as an MP3 every other time;
    none of the 2,492 clips of `accents` shares them with another. None for sounds below 0.5 s and nearly silent ones.

    A bit is whether the difference of two neighbouring bands, in decibels, grows from one of nine parts of the time to
    the next (Haitsma and Kalker 2002, over parts instead of frames).
    """
    if len(samples) < SHORTEST * rate or float(np.abs(samples).max()) < LOUDEST:
        return None
    mel = Mel(rate, rate // 16, rate // 32, bands=PARTS, low=200, high=min(3400, rate / 2), pad="zero")
    powers = mel.of_array(samples).astype(np.float64)
    edges = np.linspace(0, len(powers), PARTS + 1).astype(int)
    parts = np.stack([powers[start:end].mean(axis=0) for start, end in itertools.pairwise(edges)])
    bits = np.diff(np.diff(10 * np.log10(parts + 1e-9), axis=1), axis=0) > 0
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
