"""Finds Fashion-MNIST's four files and reads them into records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Record, Records
from headstart_plugins.fashion_mnist._idx import read_idx

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
HINT = "apt-get install dataset-fashion-mnist, or `fashion_mnist:FOLDER` with the four IDX files (gzip or not)"
SIDE = 28
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""Labels 0 to 9 (Xiao et al. 2017, table 2)."""
PARTS = {"train": "train", "test": "t10k"}
"""Split -> the files' prefix."""


def build(request: DatasetRequest) -> Records:
    """Records with payloads (28, 28) uint8, keys `train-00000` and `test-00000` on; val is left to be cut
    from train.

    Raises UsageError where the folder or a file is absent, DataError naming a file that is damaged.
    """
    folder = DEBIAN if request.reference is None else Path(request.reference).expanduser()
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", hint=HINT)
    items = tuple(record for split in PARTS for record in _part(folder, split))
    return Records(medium="image", items=items, symmetries=frozenset({"horizontal_flip"}))


def _part(folder: Path, split: str) -> Iterator[Record]:
    pictures_file = _file(folder, f"{PARTS[split]}-images-idx3-ubyte")
    labels_file = _file(folder, f"{PARTS[split]}-labels-idx1-ubyte")
    pictures, labels = read_idx(pictures_file, 3), read_idx(labels_file, 1)
    _check(pictures, pictures_file, labels, labels_file)
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        yield Record(key=f"{split}-{index:05d}", payload=picture, target=CLASSES[label], split=split)


def _check(pictures: np.ndarray, pictures_file: Path, labels: np.ndarray, labels_file: Path) -> None:
    if pictures.shape[1:] != (SIDE, SIDE):
        raise DataError(f"{pictures_file}: pictures of {pictures.shape[1:]}; expected ({SIDE}, {SIDE})")
    if len(pictures) != len(labels):
        raise DataError(f"{labels_file}: {len(labels)} labels for {len(pictures)} pictures in {pictures_file.name}")
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if len(wrong):
        raise DataError(f"{labels_file}: label {labels[wrong[0]]} at index {wrong[0]}; expected 0 to 9")


def _file(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise UsageError(f"{folder}: neither {name} nor {name}.gz is there", hint=HINT)
