"""Named arrays as files of a folder: written in place through memory maps, mapped read-only when opened again."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headstart.atomic import explained
from headstart.specs import TensorSpec

NAMES = "arrays.json"
"""Names, dtypes and shapes, written by `seal_arrays`: a folder without it is not finished."""


def create_arrays(folder: Path, specs: Mapping[str, TensorSpec], count: int) -> dict[str, np.ndarray]:
    """Arrays (count, ...) for each tensor, mapped onto new files of `folder`, not yet filled.

    Raises HeadstartError naming the file where there is no space.
    """
    return {
        name: _create(folder / _file(position), (count, *spec.shape), np.dtype(spec.dtype))
        for position, (name, spec) in enumerate(specs.items())
    }


def _file(position: int) -> str:
    return f"{position}.bin"


def _create(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    with explained(path), path.open("w+b") as file:
        if 0 in shape:
            return np.empty(shape, dtype)
        # Reserved now: writing to a mapped hole on a full disk would kill the process instead of raising.
        os.posix_fallocate(file.fileno(), 0, math.prod(shape) * dtype.itemsize)
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)


def seal_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Say what the files hold: `arrays` are those of `create_arrays` in their order, or the first rows of each."""
    document = {}
    for position, (name, array) in enumerate(arrays.items()):
        os.truncate(folder / _file(position), array.nbytes)
        document[name] = {"file": _file(position), "dtype": array.dtype.str, "shape": list(array.shape)}
    (folder / NAMES).write_text(json.dumps(document), encoding="utf-8")


def open_arrays(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a sealed folder, mapped and read-only."""
    document = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    return {name: _open(folder / facts["file"], facts) for name, facts in document.items()}


def _open(path: Path, facts: Mapping[str, Any]) -> np.ndarray:
    dtype, shape = np.dtype(facts["dtype"]), tuple(facts["shape"])
    return np.empty(shape, dtype) if 0 in shape else np.memmap(path, dtype=dtype, mode="r", shape=shape)
