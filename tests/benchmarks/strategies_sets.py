"""The three small sets of `strategies.py`: what each side reads, and at which size."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sweep import ROOT

from headstart_plugins.fashion_mnist._build import CLASSES, DEBIAN, read_idx

STAMPS = Path("/usr/share/tuxpaint/stamps")
TRAINING, TEST = 1000, 500
"""Pictures of Fashion-MNIST that are drawn of its training and of its test set, as many of each class."""


@dataclass(frozen=True)
class Pictures:
    """What a fit is told of its data: a reference or a recipe that holds it, pixels a side, and how many records of it
    are taken, all of them where None."""

    name: str
    size: int
    data: str | None = None
    recipe: str | None = None
    records: int | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """The same for `headstart fit`."""
        given = ((), (self.data,)) if self.data else (("--recipe", str(self.recipe)), ())
        return (*given[1], *given[0], "--image-size", str(self.size))


def digits(_seed: int, _under: Path) -> Pictures:
    """500 of the 1,797 handwritten digits of scikit-learn; which ones, the seed of the split says."""
    return Pictures("digits", 32, data="digits", records=500)


def fashion(seed: int, under: Path) -> Pictures:
    """1,000 training and 500 test pictures, drawn by the seed; a table of PNG files that is written once."""
    return Pictures("fashion", 32, data=f"manifest:{_fashion_table(seed, under / f'fashion-{seed}')}")


def stamps(_seed: int, _under: Path) -> Pictures:
    """415 small pictures in 14 classes of Debian's package."""
    _require(STAMPS, "tuxpaint-stamps-default")
    return Pictures("stamps", 48, recipe=str(ROOT / "examples" / "stamps" / "recipe.toml"))


SETS: Mapping[str, Callable[[int, Path], Pictures]] = {"digits": digits, "fashion": fashion, "stamps": stamps}
"""By name: from a seed, and a folder for what must be written, to what a fit is told."""


def _fashion_table(seed: int, folder: Path) -> Path:
    table = folder / "pictures.csv"
    if not table.exists():
        _require(DEBIAN, "dataset-fashion-mnist")
        rows = [row for part in (("train", TRAINING), ("t10k", TEST)) for row in _write_part(*part, seed, folder)]
        unfinished = folder / "unfinished.csv"
        with unfinished.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("path", "label", "split"))
            writer.writerows(rows)
        unfinished.rename(table)
    return table.resolve()


def _write_part(part: str, count: int, seed: int, folder: Path) -> list[tuple[str, str, str]]:
    """PNG files of `count` pictures; (path, label, split) of each."""
    pictures = read_idx(DEBIAN / f"{part}-images-idx3-ubyte.gz", 3)
    labels = read_idx(DEBIAN / f"{part}-labels-idx1-ubyte.gz", 1)
    draw, split = np.random.default_rng([seed, count, len(pictures)]), "test" if part == "t10k" else "train"
    (folder / split).mkdir(parents=True, exist_ok=True)
    rows = []
    for label, name in enumerate(CLASSES):
        for row in np.sort(draw.choice(np.flatnonzero(labels == label), count // len(CLASSES), replace=False)):
            path = f"{split}/{row:05d}.png"
            Image.fromarray(pictures[row]).save(folder / path)
            rows.append((path, name, split))
    return rows


def _require(folder: Path, package: str) -> None:
    if not folder.is_dir():
        sys.exit(f"{folder} is not there: sudo apt-get install {package}")
