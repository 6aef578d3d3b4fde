"""Room for prepared samples: in memory while small, in a nameless file below a scratch folder when large."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from headstart.atomic import explained
from headstart.specs import TensorSpec

IN_MEMORY = 32 * 1024**2
"""Bytes up to which prepared samples stay in memory."""


def allocate(specs: Mapping[str, TensorSpec], count: int, scratch: Path | None) -> dict[str, np.ndarray]:
    """Arrays (count, ...) for each tensor, not yet filled.

    Larger than IN_MEMORY together, they are memory-mapped below `scratch`, if given: files without a name,
    gone with the process however it ends. Raises HeadstartError naming the folder where there is no space.
    """
    needed = sum(count * math.prod(spec.shape) * np.dtype(spec.dtype).itemsize for spec in specs.values())
    mapped = scratch if needed > IN_MEMORY else None
    return {name: _array(spec, count, mapped) for name, spec in specs.items()}


def _array(spec: TensorSpec, count: int, scratch: Path | None) -> np.ndarray:
    shape = (count, *spec.shape)
    if scratch is None or 0 in shape:
        return np.empty(shape, spec.dtype)
    with explained(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=scratch) as file:
            size = math.prod(shape) * np.dtype(spec.dtype).itemsize
            # Reserved now: writing to a mapped hole on a full disk would kill the process instead of raising.
            os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype=spec.dtype, mode="r+", shape=shape)


def compact(arrays: Mapping[str, np.ndarray], kept: np.ndarray) -> dict[str, np.ndarray]:
    """The rows `kept` (ascending indices) of each array, moved to the front in place."""
    for array in arrays.values():
        for target, source in enumerate(kept):
            if target != source:
                array[target] = array[source]
    return {name: array[: len(kept)] for name, array in arrays.items()}
