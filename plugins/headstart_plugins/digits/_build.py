"""Reads scikit-learn's digits into records."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from headstart.errors import UsageError
from headstart.specs import DatasetRequest, Record, Records

BRIGHTEST = 16
"""Pixels count ink in 4 x 4 blocks: 0..16."""


def build(request: DatasetRequest) -> Records:
    """Records with payloads (8, 8) uint8, 0..255, keys `digit-0000` on in scikit-learn's order, labels "0" to
    "9".

    No symmetry keeps the labels: a mirrored digit is none. Raises UsageError for a reference: there is
    nothing to choose.
    """
    if request.reference is not None:
        raise UsageError(f"digits takes no path, received {request.reference!r}", hint="write `digits` alone")
    inks, labels = _read()
    pixels = np.rint(inks * (255 / BRIGHTEST)).astype(np.uint8)
    items = tuple(
        Record(key=f"digit-{index:04d}", payload=image, target=str(label))
        for index, (image, label) in enumerate(zip(pixels, labels, strict=True))
    )
    return Records(medium="image", items=items, targets="targets/class")


def _read() -> tuple[np.ndarray, np.ndarray]:
    """Ink (digit, 8, 8) float64 from 0 to BRIGHTEST, and the labels (digit,) int64, as `load_digits` gives them.

    From the file that it reads: importing scikit-learn takes as long as all else that a small run does before training.
    """
    spec = find_spec("sklearn")  # which does not import it
    file = Path(spec.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if spec else Path()
    if not file.is_file():
        from sklearn.datasets import load_digits

        found = load_digits()
        return found.images, found.target
    table = np.loadtxt(file, delimiter=",")
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)
