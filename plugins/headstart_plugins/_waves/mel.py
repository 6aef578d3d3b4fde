"""Powers in bands of frequency: the same numbers from numpy, and from operations of Keras in a stage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

BREAK_HERTZ, BREAK_MEL, STEP = 1000.0, 15.0, math.log(6.4) / 27
"""Slaney's scale: linear up to 1 kHz, 15 mel there, then logarithmic (Auditory Toolbox, 1998)."""

BLOCK = 20
"""Bands that are computed by one product."""


@dataclass(frozen=True)
class Mel:
    """How samples become powers in bands: frames of `window` samples under a periodic Hann window, `hop` apart.

    A frame's transform has `window` points. `pad` says what stands before the first sample and behind the last, half a
    window each: "zero", "reflect", or "none" for no padding at all; `frames` keeps the first so many, None all. `bands`
    triangular filters reach from `low` to `high` hertz (None: half the rate) on the `scale`, "slaney" or "htk"; with
    `norm` "slaney" each has an area of 1, with None a peak of 1. librosa and Whisper: slaney, slaney; torchaudio's
    defaults: htk, None. `power` is the exponent of the magnitudes, 2 or 1.
    """

    rate: int
    window: int
    hop: int
    bands: int
    low: float = 0.0
    high: float | None = None
    pad: Literal["zero", "reflect", "none"] = "reflect"
    scale: Literal["slaney", "htk"] = "slaney"
    norm: Literal["slaney"] | None = "slaney"
    frames: int | None = None
    power: float = 2.0

    def count(self, samples: int) -> int:
        """The frames of so many samples."""
        length = samples + (0 if self.pad == "none" else 2 * (self.window // 2))
        every = max(0, 1 + (length - self.window) // self.hop)
        return every if self.frames is None else min(every, self.frames)

    @cached_property
    def hann(self) -> np.ndarray:
        """(window,) float64: sin^2(pi n / window)."""
        return np.asarray(np.sin(np.pi * np.arange(self.window) / self.window) ** 2)

    @cached_property
    def filters(self) -> np.ndarray:
        """(window // 2 + 1, band) float32, as `librosa.filters.mel` transposed."""
        return mel_filters(self)

    def of_array(self, samples: np.ndarray) -> np.ndarray:
        """Powers (frame, band) float32 of `samples` (n,) float32, by scipy's transform of real numbers."""
        from scipy import fft

        half = self.window // 2
        padded = (
            samples if self.pad == "none" else np.pad(samples, half, "reflect" if self.pad == "reflect" else "constant")
        )
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.window)[:: self.hop][: self.count(len(samples))]
        spectrum = fft.rfft(frames * self.hann.astype(np.float32), axis=1)
        squares = spectrum.real**2 + spectrum.imag**2
        made: np.ndarray = (squares if self.power == 2 else squares ** (self.power / 2)) @ self.filters
        return made

    def of_tensor(self, samples: Any) -> Any:
        """Powers (batch, frame, band) float32 of a tensor `samples` (batch, n) float32, n static."""
        import keras

        if keras.backend.backend() == "torch" and self.power == 2:
            from headstart_plugins._waves.powers import Powers

            return Powers(self)(samples)
        return self.by_operations(samples)

    def by_operations(self, samples: Any) -> Any:
        """The same by operations of Keras alone."""
        from keras import ops

        from headstart_plugins._waves.spectrum import PowerSpectrum

        count = int(samples.shape[1])
        squares = PowerSpectrum(self.window)(self._framed(self.padded(samples), self.count(count)))
        if self.power != 2:
            squares = ops.power(squares, self.power / 2)
        # A band has a few frequencies alone: by blocks of bands, products leave out most of the zeros.
        parts = []
        for first in range(0, self.bands, BLOCK):
            block = self.filters[:, first : first + BLOCK]
            used = np.flatnonzero(block.any(axis=1))
            low, high = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
            parts.append(ops.matmul(squares[:, :, low:high], np.ascontiguousarray(block[low:high])))
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=2)

    def padded(self, samples: Any) -> Any:
        """A tensor (batch, n) with what stands before its first samples and behind its last."""
        from keras import ops

        half, count = self.window // 2, int(samples.shape[1])
        if self.pad == "none":
            return samples
        if self.pad == "zero":
            return ops.pad(samples, ((0, 0), (half, half)))
        before = ops.flip(samples[:, 1 : half + 1], axis=1)
        behind = ops.flip(samples[:, count - half - 1 : count - 1], axis=1)
        return ops.concatenate([before, samples, behind], axis=1)

    def _framed(self, samples: Any, count: int) -> Any:
        """(batch, n) to (batch, frame, window): pieces as long as window and hop both hold wholly, side by side."""
        from keras import ops

        piece = math.gcd(self.window, self.hop)
        step, width = self.hop // piece, self.window // piece
        needed = (count - 1) * step + width
        pieces = ops.reshape(samples[:, : needed * piece], (-1, needed, piece))
        parts = [pieces[:, place : place + (count - 1) * step + 1 : step] for place in range(width)]
        return parts[0] if width == 1 else ops.concatenate(parts, axis=2)


def mel_filters(mel: Mel) -> np.ndarray:
    """Triangles (window // 2 + 1, band) float32 over the frequencies of a transform of `window` points."""
    to_mel, to_hertz = (_slaney, _slaney_inverse) if mel.scale == "slaney" else (_htk, _htk_inverse)
    high = mel.rate / 2 if mel.high is None else mel.high
    corners = to_hertz(np.linspace(to_mel(np.array(mel.low)), to_mel(np.array(high)), mel.bands + 2))
    frequencies = np.arange(mel.window // 2 + 1) * (mel.rate / mel.window)
    rising = (frequencies[:, None] - corners[None, :-2]) / np.diff(corners)[None, :-1]
    falling = (corners[None, 2:] - frequencies[:, None]) / np.diff(corners)[None, 1:]
    triangles = np.maximum(0, np.minimum(rising, falling))
    if mel.norm == "slaney":
        triangles *= 2 / (corners[2:] - corners[:-2])
    made: np.ndarray = triangles.astype(np.float32)
    return made


def _slaney(hertz: np.ndarray) -> np.ndarray:
    above = BREAK_MEL + np.log(np.maximum(hertz, BREAK_HERTZ) / BREAK_HERTZ) / STEP
    return np.where(hertz < BREAK_HERTZ, hertz * BREAK_MEL / BREAK_HERTZ, above)


def _slaney_inverse(mel: np.ndarray) -> np.ndarray:
    above = BREAK_HERTZ * np.exp(STEP * (np.maximum(mel, BREAK_MEL) - BREAK_MEL))
    return np.where(mel < BREAK_MEL, mel * BREAK_HERTZ / BREAK_MEL, above)


def _htk(hertz: np.ndarray) -> np.ndarray:
    return np.asarray(2595 * np.log10(1 + hertz / 700))


def _htk_inverse(mel: np.ndarray) -> np.ndarray:
    return np.asarray(700 * (10 ** (mel / 2595) - 1))
