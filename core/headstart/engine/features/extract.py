"""What a frozen prefix gives, computed once: arrays at a cut, streamed batch by batch at one static shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from headstart.data.ahead import ahead
from headstart.data.order import batches
from headstart.engine.network.network import TAP
from headstart.specs import Compiled, FeatureSpec, TensorSpec

Take = Callable[[np.ndarray], Mapping[str, np.ndarray]]
OnProgress = Callable[[int, int], None]
Allocate = Callable[[Mapping[str, TensorSpec]], dict[str, np.ndarray]]


def extract(
    compiled: Compiled, take: Take, count: int, *, batch_size: int, allocate: Allocate, on_progress: OnProgress
) -> dict[str, np.ndarray]:
    """Run `compiled` over rows 0 to `count` - 1 of `take`; returns (count, ...) arrays by name, from `allocate`.

    The last batch is padded to `batch_size`, so that a compiled prefix sees one shape. The next batches are taken in a
    thread while one is computed; memory beside the arrays does not grow with `count`.
    """
    arrays: dict[str, np.ndarray] = {}
    done = 0
    for batch, real in ahead(_taken(take, count, batch_size)):
        outputs = compiled(batch)
        if not arrays:
            arrays = allocate({n: TensorSpec(value.shape[1:], value.dtype.name) for n, value in outputs.items()})
        for name, value in outputs.items():
            arrays[name][done : done + real] = value[:real]
        done += real
        on_progress(done, count)
    return arrays


def flattened(arrays: Mapping[str, np.ndarray], features: Sequence[FeatureSpec]) -> np.ndarray:
    """Stored features, as `@name` (row, ...), as one array (row, channel): flattened and joined in the order of
    `features`, without masks. Of one feature nothing is copied."""
    flat = [arrays[TAP + feature.name].reshape(len(arrays[TAP + feature.name]), -1) for feature in features]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)


def _taken(take: Take, count: int, batch_size: int) -> Iterator[tuple[Mapping[str, np.ndarray], int]]:
    for rows, mask in batches(np.arange(count), batch_size):
        yield take(rows), int(mask.sum())
