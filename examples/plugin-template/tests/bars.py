"""A sample of the file that the dataset opens: bars across and bars down."""

from pathlib import Path

import numpy as np


def write_bars(path: Path, count: int = 120) -> Path:
    """Grey pictures (16, 16) uint8 of one bright bar on noise; returns `path`."""
    chance = np.random.default_rng(0)
    pictures = chance.integers(0, 90, (count, 16, 16), dtype=np.uint8)
    for index, row in enumerate(chance.integers(2, 12, count)):
        picture = pictures[index] if index % 2 else pictures[index].T
        picture[row : row + 3] = 220
    np.savez(path, pictures=pictures, labels=np.where(np.arange(count) % 2, "across", "down"))
    return path
