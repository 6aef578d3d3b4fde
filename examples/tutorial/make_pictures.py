"""Write two classes of real pictures into a folder, for people without cats and dogs at hand.

    python examples/tutorial/make_pictures.py pictures

The pictures are scikit-learn's handwritten threes and eights, written by different people. They are enlarged
from 8 to 128 pixels a side. The same files come out every time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

CLASSES = {3: "three", 8: "eight"}
SIDE = 128
INK = 16  # the highest value in the data


def write_pictures(folder: Path) -> int:
    """Write `folder/three/*.png` and `folder/eight/*.png`; returns how many pictures there are."""
    digits = load_digits()
    written = 0
    for digit, name in CLASSES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in np.flatnonzero(digits.target == digit):
            grey = np.round(digits.images[index] * (255 / INK)).astype(np.uint8)  # (height, width), 0..255
            picture = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            picture.save(folder / name / f"{index:04d}.png")
            written += 1
    return written


def main() -> None:
    """Read the folder from the command line."""
    parser = argparse.ArgumentParser(description="Write handwritten threes and eights as pictures.")
    parser.add_argument("folder", type=Path, help="where to write; created if it is not there")
    folder = parser.parse_args().folder
    print(f"{write_pictures(folder)} pictures in {folder}")


if __name__ == "__main__":
    main()
