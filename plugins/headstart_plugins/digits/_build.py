"""Reads scikit-learn's digits into records."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

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
    data = load_digits()
    pixels = np.rint(data.images * (255 / BRIGHTEST)).astype(np.uint8)
    items = tuple(
        Record(key=f"digit-{index:04d}", payload=image, target=str(label))
        for index, (image, label) in enumerate(zip(pixels, data.target, strict=True))
    )
    return Records(medium="image", items=items, targets="targets/class")
