"""Reads pictures and labels from one .npz file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from headstart.errors import DataError, UsageError
from headstart.specs import DatasetRequest, Record, Records


def build(request: DatasetRequest) -> Records:
    """Records with payloads (height, width) or (height, width, 3) uint8, keys `picture-000000` on.

    Raises UsageError for an absent file, DataError for one that does not hold what the options name.
    """
    path, options = Path(request.reference or ""), request.options
    pictures, labels = _read(path, options)
    if len(pictures) != len(labels):
        raise DataError(f"{path}: {len(pictures)} pictures and {len(labels)} labels", hint="one label a picture")
    items = tuple(
        Record(key=f"picture-{index:06d}", payload=picture, target=str(label))
        for index, (picture, label) in enumerate(zip(pictures, labels, strict=True))
    )
    symmetries = frozenset({"horizontal_flip"}) if options.horizontal_flip else frozenset[str]()
    return Records(medium="image", items=items, symmetries=symmetries, targets="targets/class")


def _read(path: Path, options: Any) -> tuple[np.ndarray, np.ndarray]:
    if not path.is_file():
        raise UsageError(f"{path}: no such file", hint="arrays:FILE.npz")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: not a file of arrays", hint="write it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as file:
            for name in (options.pictures, options.labels):
                if name not in file:
                    hint = "--set dataset.pictures=NAME and dataset.labels=NAME say where they are"
                    raise DataError(f"{path}: no array {name!r}; it holds {', '.join(file)}", hint=hint)
            return file[options.pictures], file[options.labels]
    except (OSError, ValueError, zipfile.BadZipFile) as exc:
        raise DataError(f"{path}: cannot be read: {exc}", hint="write it again with numpy.savez") from exc
