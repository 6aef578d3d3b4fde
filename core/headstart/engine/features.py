"""What a frozen prefix gives, computed once: arrays at a cut, streamed batch by batch at one static shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from headstart.data.order import batches
from headstart.data.storage import allocate
from headstart.engine.compute import Forward
from headstart.specs import TensorSpec

Take = Callable[[np.ndarray], Mapping[str, np.ndarray]]
OnProgress = Callable[[int, int], None]


def extract(
    forward: Forward, take: Take, count: int, *, batch_size: int, scratch: Path, on_progress: OnProgress
) -> dict[str, np.ndarray]:
    """Run `forward` over rows 0 to `count` - 1 of `take`; returns (count, ...) arrays by name.

    The last batch is padded to `batch_size`, so that a compiled forward sees one shape. `scratch` is a folder for
    arrays that are too large for memory; the caller removes it.
    """
    arrays: dict[str, np.ndarray] = {}
    done = 0
    for rows, mask in batches(np.arange(count), batch_size):
        outputs = forward(take(rows))
        real = int(mask.sum())
        if not arrays:
            specs = {name: TensorSpec(value.shape[1:], value.dtype.name) for name, value in outputs.items()}
            arrays = allocate(specs, count, scratch)
        for name, value in outputs.items():
            arrays[name][done : done + real] = value[:real]
        done += real
        on_progress(done, count)
    return arrays
