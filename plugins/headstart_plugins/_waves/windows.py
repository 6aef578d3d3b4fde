"""Where the windows of a recording lie."""

from __future__ import annotations

import numpy as np


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
