"""Batches through what is compiled, several at once where that can, and rows of like length together: what comes out is
in the order of what went in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from headstart.data.ahead import ahead
from headstart.data.lengths import Lengths, cut_to, padded_from
from headstart.data.order import batches
from headstart.engine.batch import concatenated, take
from headstart.specs.base import Batch
from headstart.specs.engines import Streams

if TYPE_CHECKING:
    from headstart.engine.step import Forward

T = TypeVar("T")
Axes = Mapping[str, int]


def outputs_of(compiled: Forward, given: Iterable[Batch]) -> Iterator[dict[str, np.ndarray]]:
    """What each of the batches `given` comes to, in order: several at once where `compiled` is a `Streams`."""
    return compiled.stream(given) if isinstance(compiled, Streams) else map(compiled, given)


@dataclass(frozen=True)
class Joined:
    """A backbone and the head above it as one `Forward`; the head runs where the backbone's next batches may be under
    way."""

    backbone: Forward
    head: Forward

    def __call__(self, batch: Batch) -> dict[str, np.ndarray]:
        """The head's outputs."""
        return self.head(self.backbone(batch))

    def stream(self, given: Iterable[Batch]) -> Iterator[dict[str, np.ndarray]]:
        """See `headstart.specs.Streams`."""
        return map(self.head, outputs_of(self.backbone, given))


@dataclass(frozen=True)
class Window(Generic[T]):
    """`count` rows that come out together, called `of`: `take` gives the tensors (batch, ...) of some of them (batch,)
    int64, of which each call brings `size`; `lengths` are theirs where rows differ in length."""

    of: T
    count: int
    take: Callable[[np.ndarray], Batch]
    size: int
    lengths: Lengths | None = None


@dataclass(frozen=True)
class _Call(Generic[T]):
    """A batch of a window: so many `real` rows of it and fillers behind them, cut to `length`. The window's rows run in
    the `order` (row,) int64; with the `last` batch they are complete."""

    window: Window[T]
    order: np.ndarray
    real: int
    length: int
    last: bool


def computed(
    compiled: Forward,
    windows: Iterable[Window[T]],
    *,
    axes: tuple[Axes, Axes] = ({}, {}),
    any_length: bool = False,
    on_rows: Callable[[int], None] = lambda count: None,
) -> Iterator[tuple[T, dict[str, np.ndarray]]]:
    """What the rows of each window come to, (row, ...) by name, in their order. The next batches are taken in a thread
    while some are computed; memory does not grow with the number of windows.

    Every batch has its window's `size`: the last one is filled up with its last row. Rows that differ in length run
    with those of theirs, cut along `axes`, those of what goes in and of what comes out without the batch axis, to the
    static length that holds them, or with `any_length` to that of the longest, where nothing that comes out has a
    length; that is padded with zeros. `on_rows` hears how many rows each batch brought.
    """
    entering, leaving = axes

    def calls() -> Iterator[tuple[Batch, _Call[T]]]:
        for window in windows:
            lengths = window.lengths
            # The longest first: what is allocated for them holds all that follow.
            order = np.arange(window.count) if lengths is None else lengths.ascending()[::-1]
            done = 0
            for rows, mask in batches(order, window.size):
                real, tensors = int(mask.sum()), window.take(rows)
                done += real
                length = 0
                if lengths is not None:
                    length = lengths.of_batch(rows, any_length=any_length and not leaving)
                    tensors = cut_to(tensors, entering, length, lengths.static[-1])
                yield tensors, _Call(window, order, real, length, done == window.count)

    waiting: deque[_Call[T]] = deque()

    def given() -> Iterator[Batch]:
        for tensors, call in ahead(calls()):
            waiting.append(call)
            yield tensors

    found: list[Batch] = []
    for outputs in outputs_of(compiled, given()):
        call = waiting.popleft()
        lengths = call.window.lengths
        whole = outputs if lengths is None else padded_from(outputs, leaving, call.length, lengths.static[-1])
        found.append(take(whole, slice(call.real)))
        del outputs, whole  # or of dense outputs two batches are there at a time
        on_rows(call.real)
        if call.last:
            together = concatenated(found)
            found.clear()
            yield call.window.of, together if lengths is None else take(together, np.argsort(call.order))
            del call, together
