"""Where the windows of a recording lie."""

from __future__ import annotations

import numpy as np


def parted_in_silence(samples: np.ndarray, window: int, rate: int) -> list[tuple[int, int]]:
    """`samples` (n,) float32 as pieces of at most `window` samples, one behind the other, as (first, behind the last):
    each but the last ends where it is quietest, over a fifth of a second, in the last third of the window."""
    places, begin = [], 0
    while len(samples) - begin > window:
        earliest = begin + 2 * window // 3
        size = max(1, min(rate // 5, window // 6))
        energy = np.cumsum(np.square(samples[earliest : begin + window], dtype=np.float64))
        around = energy[size:] - energy[:-size]
        stop = earliest + int(np.argmin(around)) + size // 2 + 1
        places.append((begin, stop))
        begin = stop
    return [*places, (begin, len(samples))]


def starts(count: int, window: int, hop: int, most: int) -> list[int]:
    """First samples of the windows of `count` samples, ascending: one every `hop`, the last one ending with the sound.

    A sound no longer than a window has one, at 0. Of more than `most`, so many that lie evenly, the first and the last
    among them.
    """
    if count <= window:
        return [0]
    places = [*range(0, count - window, hop), count - window]
    if len(places) <= most:
        return places
    if most == 1:  # the middle says more than the beginning
        return [(count - window) // 2]
    return [places[each] for each in np.rint(np.linspace(0, len(places) - 1, most)).astype(int)]
