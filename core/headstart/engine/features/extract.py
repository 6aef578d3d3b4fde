"""What a frozen prefix gives, computed once: arrays at a cut, streamed batch by batch at one static shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from headstart.data.ahead import ahead
from headstart.data.array_store import Append
from headstart.data.order import batches
from headstart.engine.network.network import TAP
from headstart.specs import Compiled, FeatureSpec

Take = Callable[[np.ndarray], Mapping[str, np.ndarray]]
OnProgress = Callable[[int, int], None]


def extract(
    compiled: Compiled, take: Take, count: int, *, batch_size: int, append: Append, on_progress: OnProgress
) -> None:
    """Run `compiled` over rows 0 to `count` - 1 of `take`, and `append` what it gives, (row, ...) arrays by name.

    The last batch is padded to `batch_size`, so that a compiled prefix sees one shape. The next batches are taken in a
    thread while one is computed; memory beside the arrays does not grow with `count`.
    """
    done = 0
    for batch, real in ahead(_taken(take, count, batch_size)):
        append({name: value[:real] for name, value in compiled(batch).items()})
        done += real
        on_progress(done, count)


def flattened(arrays: Mapping[str, np.ndarray], features: Sequence[FeatureSpec]) -> np.ndarray:
    """Stored features, as `@name` (row, ...), as one array (row, channel): flattened and joined in the order of
    `features`, without masks. Of one feature nothing is copied."""
    flat = [arrays[TAP + feature.name].reshape(len(arrays[TAP + feature.name]), -1) for feature in features]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)


def _taken(take: Take, count: int, batch_size: int) -> Iterator[tuple[Mapping[str, np.ndarray], int]]:
    for rows, mask in batches(np.arange(count), batch_size):
        yield take(rows), int(mask.sum())
