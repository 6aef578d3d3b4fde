"""What a frozen prefix gives, computed once: arrays at a cut, streamed batch by batch at one static shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.data.ahead import ahead
from headstart.data.array_store import Append
from headstart.data.lengths import Lengths, cut_to, padded_from
from headstart.data.order import batches
from headstart.engine.network.network import TAP
from headstart.specs import Compiled, FeatureSpec

Take = Callable[[np.ndarray], Mapping[str, np.ndarray]]
OnProgress = Callable[[int, int], None]


WINDOW = 16
"""Batches among whose rows those of like length are computed together."""


@dataclass(frozen=True)
class Varying:
    """Rows of different lengths: the `lengths` of all, and the length axis of each tensor that has one, of what goes in
    and of what comes out, without the batch axis."""

    lengths: Lengths
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


def extract(
    compiled: Compiled,
    take: Take,
    count: int,
    *,
    batch_size: int,
    append: Append,
    on_progress: OnProgress,
    varying: Varying | None = None,
) -> None:
    """Run `compiled` over rows 0 to `count` - 1 of `take`, and `append` what it gives, (row, ...) arrays by name.

    The last batch is padded to `batch_size`, so that a compiled prefix sees one shape. The next batches are taken in a
    thread while one is computed; memory beside the arrays does not grow with `count`. Rows that vary in length are
    computed with others of theirs, at the static length that holds them; what comes out is padded with zeros.
    """
    done = 0
    if varying is None:
        for batch, real in ahead(_taken(take, count, batch_size)):
            append({name: value[:real] for name, value in compiled(batch).items()})
            done += real
            on_progress(done, count)
        return
    longest = varying.lengths.static[-1]
    for start in range(0, count, WINDOW * batch_size):
        window = np.arange(start, min(start + WINDOW * batch_size, count))
        order = window[varying.lengths.only(window).ascending()]
        found: list[Mapping[str, np.ndarray]] = []
        for rows, mask in batches(order, batch_size):
            static, real = varying.lengths.of_batch(rows), int(mask.sum())
            outputs = compiled(cut_to(take(rows), varying.inputs, static, longest))
            counted = {name: value[:real] for name, value in outputs.items()}
            found.append(padded_from(counted, varying.outputs, static, longest))
            done += real
            on_progress(done, count)
        back = np.argsort(order, kind="stable")
        append({name: np.concatenate([each[name] for each in found])[back] for name in found[0]})


def flattened(arrays: Mapping[str, np.ndarray], features: Sequence[FeatureSpec]) -> np.ndarray:
    """Stored features, as `@name` (row, ...), as one array (row, channel): flattened and joined in the order of
    `features`, without masks. Of one feature nothing is copied."""
    flat = [arrays[TAP + feature.name].reshape(len(arrays[TAP + feature.name]), -1) for feature in features]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)


def _taken(take: Take, count: int, batch_size: int) -> Iterator[tuple[Mapping[str, np.ndarray], int]]:
    for rows, mask in batches(np.arange(count), batch_size):
        yield take(rows), int(mask.sum())
