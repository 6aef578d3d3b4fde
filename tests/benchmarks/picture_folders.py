"""The data of the benchmarks as plain folders of pictures, one folder a class, so that every side reads the same."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

import numpy as np
from PIL import Image
from sweep import ROOT

from headstart_plugins.fashion_mnist._build import CLASSES, DEBIAN, read_idx

STAMPS = Path("/usr/share/tuxpaint/stamps")
DONE = ".complete"


def picture_folder(name: str, count: int, under: Path) -> Path:
    """`fashion` (`count` pictures, as many of each class) or `stamps` (all 415), written once below `under`."""
    folder = under / (f"fashion-{count}" if name == "fashion" else name)
    if not (folder / DONE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        if name == "fashion":
            _write_fashion(folder, count)
        else:
            _write_stamps(folder)
        (folder / DONE).touch()
    return folder


def _write_fashion(folder: Path, count: int) -> None:
    _require(DEBIAN, "dataset-fashion-mnist")
    pictures = read_idx(DEBIAN / "train-images-idx3-ubyte.gz", 3)
    labels = read_idx(DEBIAN / "train-labels-idx1-ubyte.gz", 1)
    for label, name in enumerate(CLASSES):
        of_class = folder / name.replace("/", " or ")
        of_class.mkdir(parents=True)
        for row in np.flatnonzero(labels == label)[: count // len(CLASSES)]:
            Image.fromarray(pictures[row]).save(of_class / f"{row:05d}.png")


def _write_stamps(folder: Path) -> None:
    _require(STAMPS, "tuxpaint-stamps-default")
    recipe = tomllib.loads((ROOT / "examples" / "stamps" / "recipe.toml").read_text(encoding="utf-8"))
    for name in recipe["dataset"]["classes"]:
        of_class = folder / name.replace("/", " ")
        of_class.mkdir(parents=True)
        for number, file in enumerate(sorted((STAMPS / name).rglob("*.png"))):
            shutil.copyfile(file, of_class / f"{number:03d}-{file.name}")


def _require(folder: Path, package: str) -> None:
    if not folder.is_dir():
        sys.exit(f"{folder} is not there: sudo apt-get install {package}")
