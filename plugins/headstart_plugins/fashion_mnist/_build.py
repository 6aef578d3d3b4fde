"""Finds Fashion-MNIST's four files and reads them into records."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Record, Records

GZIP = b"\x1f\x8b"
UNSIGNED_BYTES = 0x08
MAX_BYTES = 1 << 30
"""Largest content that is read, unpacked; Fashion-MNIST's largest file has 47 MB."""


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """A uint8 array with `dimensions` axes, big-endian sizes from the header.

    Raises DataError naming the file and what was found where the magic number, the sizes or the length are
    wrong, or the file is truncated or no valid gzip.
    """
    content = _content(path)
    head = 4 + 4 * dimensions
    if len(content) < head:
        raise DataError(f"{path}: {len(content)} bytes; the header of an IDX file alone has {head}")
    expected = UNSIGNED_BYTES << 8 | dimensions
    magic, *sizes = struct.unpack(f">{1 + dimensions}I", content[:head])
    if magic != expected:
        raise DataError(f"{path}: magic number {magic:#010x}; expected {expected:#010x}")
    if len(content) - head != math.prod(sizes):
        shape = " x ".join(map(str, sizes))
        raise DataError(
            f"{path}: header says {shape} = {math.prod(sizes)} bytes, found {len(content) - head}",
            hint="the file is truncated or damaged: fetch it again",
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(sizes)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP)) == GZIP
            file.seek(0)
            unpacked = gzip.GzipFile(fileobj=file) if packed else file
            content = unpacked.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as exc:
        raise DataError(f"{path}: cannot be read: {exc}", hint="fetch the file again") from exc
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: more than {MAX_BYTES} bytes unpacked")
    return content


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
    return Records(medium="image", items=items, symmetries=frozenset({"horizontal_flip"}), targets="targets/class")


def _part(folder: Path, split: str) -> Iterator[Record]:
    pictures_file = _file(folder, f"{PARTS[split]}-images-idx3-ubyte")
    labels_file = _file(folder, f"{PARTS[split]}-labels-idx1-ubyte")
    pictures, labels = read_idx(pictures_file, 3), read_idx(labels_file, 1)
    if pictures.shape[1:] != (SIDE, SIDE):
        raise DataError(f"{pictures_file}: pictures of {pictures.shape[1:]}; expected ({SIDE}, {SIDE})")
    if len(pictures) != len(labels):
        raise DataError(f"{labels_file}: {len(labels)} labels for {len(pictures)} pictures in {pictures_file.name}")
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if len(wrong):
        raise DataError(f"{labels_file}: label {labels[wrong[0]]} at index {wrong[0]}; expected 0 to 9")
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        yield Record(key=f"{split}-{index:05d}", payload=picture, target=CLASSES[label], split=split)


def _file(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise UsageError(f"{folder}: neither {name} nor {name}.gz is there", hint=HINT)
