"""What augmentations draw for sounds, applied to the samples of a window in numpy; the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from headstart.errors import PluginError
from headstart.specs import Change
from headstart_plugins._waves.reading import resampled

PARTS = 200
"""Parts of the window, and of the bands, that can be hidden each: half a per cent of it."""
TIMES, BANDS = 0, 1
HALF = 0.5
"""From here on a part counts as hidden: what is mixed may lie between."""
NO_MASKS = np.zeros((2, PARTS), np.float32)


def varied(samples: np.ndarray, masks: np.ndarray, rate: int, changes: list[Change]) -> tuple[np.ndarray, np.ndarray]:
    """`samples` (n,) float32 and `masks` (2, 200) float32 as `changes` leave them, in new arrays of equal shapes.

    Raises PluginError naming a change that is unknown, or whose value is none of it.
    """
    samples, masks = samples.copy(), masks.copy()
    for change in changes:
        if change.name in ("mask_times", "mask_bands"):
            _hide(masks[TIMES if change.name == "mask_times" else BANDS], change)
        elif change.name in SOUNDS:
            ranges, apply = SOUNDS[change.name]
            made = apply(samples, rate, *_values(change, ranges))
            samples = np.ascontiguousarray(made, np.float32)
        else:
            raise PluginError(f"sounds cannot be changed by {change.name!r}")
    return samples, masks


def _values(change: Change, ranges: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    """The numbers of a change, each within its range: one alone, or several in a tuple."""
    value: Any = change.value
    numbers = (value,) if len(ranges) == 1 and not isinstance(value, tuple | list) else value
    sound = isinstance(numbers, tuple | list) and len(numbers) == len(ranges)
    if sound and all(
        isinstance(each, int | float | np.number) and low <= each <= high
        for each, (low, high) in zip(numbers, ranges, strict=True)
    ):
        return tuple(numbers)
    expected = ", ".join(f"{low:g} to {high:g}" for low, high in ranges)
    raise PluginError(f"the change {change.name!r} has the value {value!r}; expected {expected}")


def _hide(parts: np.ndarray, change: Change) -> None:
    start, end = _values(change, ((0, 1), (0, 1)))
    if end < start:
        raise PluginError(f"the change {change.name!r} ends before it begins: {change.value!r}")
    parts[round(start * PARTS) : round(end * PARTS)] = 1


def used(samples: np.ndarray) -> int:
    """How many of `samples` there are but for silence of zeros behind them: the padding of short sounds."""
    there = np.flatnonzero(samples)
    return int(there[-1]) + 1 if len(there) else 0


def power(samples: np.ndarray) -> float:
    """The mean square."""
    return float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0


def gain(samples: np.ndarray, rate: int, decibels: float) -> np.ndarray:
    """Times 10^(decibels / 20)."""
    return samples * np.float32(10 ** (decibels / 20))


def grain(count: int, seed: float) -> np.ndarray:
    """White noise (count,) float64, nearly normal: sums of four even numbers of 16 bits, from raw bits, which numpy
    promises to keep from release to release."""
    bits = np.random.Philox(key=int(seed)).random_raw(count).astype("<u8")
    made: np.ndarray = bits.view("<u2").reshape(count, 4).sum(axis=1, dtype=np.float64) - 2 * 65535
    return made


def noise(samples: np.ndarray, rate: int, decibels: float, seed: float) -> np.ndarray:
    """Plus white noise where there is sound, scaled so that there the mean power of the sound over that of the noise is
    10^(decibels / 10)."""
    count = used(samples)
    drawn = grain(count, seed)
    target = power(samples[:count]) / 10 ** (decibels / 10)
    made = samples.astype(np.float64)
    if count:
        made[:count] += drawn * np.sqrt(target / power(drawn))
    return made


def shift(samples: np.ndarray, rate: int, seconds: float) -> np.ndarray:
    """Moved by whole samples; what leaves the window is lost."""
    count = round(seconds * rate)
    made = np.zeros_like(samples)
    if abs(count) < len(samples):
        made[max(0, count) : len(samples) + min(0, count)] = samples[max(0, -count) : len(samples) - max(0, count)]
    return made


def speed(samples: np.ndarray, rate: int, factor: float) -> np.ndarray:
    """Resampled, so that a tone of f hertz becomes one of f * factor; cut at the window's end, or padded with zeros."""
    faster = resampled(samples[: used(samples)], factor, 1.0)[: len(samples)]
    return np.pad(faster, (0, len(samples) - len(faster)))


def reverberation(samples: np.ndarray, rate: int, seconds: float, decibels: float, seed: float) -> np.ndarray:
    """Convolved with a synthetic response: 1, then noise that falls by 60 dB in `seconds`, whose energy is
    `decibels` below that of the direct sound; brought back to the mean power that it had.

    The model is Polack's (1988): late reverberation as noise under an exponential.
    """
    from scipy.signal import fftconvolve

    length = max(2, int(seconds * rate))
    times = np.arange(1, length) / rate
    echoes = grain(length - 1, seed) * 10 ** (-3 * times / seconds)
    echoes *= np.sqrt(10 ** (-decibels / 10) / np.sum(echoes**2))
    made = fftconvolve(samples.astype(np.float64), np.concatenate([[1.0], echoes]))[: len(samples)]
    before, after = power(samples), power(made)
    if after:
        made *= np.sqrt(before / after)
    return np.asarray(made)


Apply = Callable[..., np.ndarray]
SEEDS = (0.0, 2.0**53)
SOUNDS: Mapping[str, tuple[tuple[tuple[float, float], ...], Apply]] = {
    "gain": (((-120, 120),), gain),
    "noise": (((-60, 120), SEEDS), noise),
    "shift": (((-600, 600),), shift),
    "speed": (((0.25, 4),), speed),
    "reverberation": (((0.01, 10), (-20, 60), SEEDS), reverberation),
}
"""By name the ranges of its numbers, and what it does."""


def hidden(masks: np.ndarray, frames: int, bands: int) -> np.ndarray:
    """Where `masks` (2, 200) hide features (frame, band): True there. What `masked` does, in numpy."""
    times, heights = masks[TIMES][parts_of(frames)] > HALF, masks[BANDS][parts_of(bands)] > HALF
    made: np.ndarray = times[:, None] | heights[None, :]
    return made


def parts_of(count: int) -> np.ndarray:
    """(count,) int32: the part that the middle of each of so many frames or bands lies in."""
    return ((np.arange(count) + 0.5) * PARTS / count).astype(np.int32)


def masked(features: Any, masks: Any) -> Any:
    """Symbolic features (batch, frame, band) float32 with the mean of the sample's own where `masks` (batch, 2, 200)
    float32 say so: SpecAugment (Park et al. 2019, which puts the mean there)."""
    from keras import ops

    frames, bands = int(features.shape[1]), int(features.shape[2])
    times = ops.take(masks[:, TIMES], parts_of(frames), axis=1) > HALF
    heights = ops.take(masks[:, BANDS], parts_of(bands), axis=1) > HALF
    where = ops.logical_or(times[:, :, None], heights[:, None, :])
    return ops.where(where, ops.mean(features, axis=(1, 2), keepdims=True), features)
