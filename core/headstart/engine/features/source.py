"""A run's samples at any cut: computed once where nothing below it varies, drawn anew where it does."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from headstart.data.array_store import ArrayStore
from headstart.data.lengths import Lengths
from headstart.data.prepared import PreparedData
from headstart.data.views import Mixed, TrainingSamples, View
from headstart.engine.device import compiles_each_shape
from headstart.engine.features.extract import OnProgress, Passing, features_of, lengths_of, plain_rows, rows_key
from headstart.engine.features.extractor import Opened
from headstart.engine.network.network import TAP, Network
from headstart.engine.train.epochs import Drawn, MoveTargets, Samples, Stored, Trimmed
from headstart.timing import Stopwatch

STORED_LIMIT = 8 * 2**30
"""Tensors at a cut above this many bytes are computed again each step instead of stored."""
FIRST_LEARNED = 1
"""Position of the first stage that holds weights; a cut there leaves nothing worth storing."""
PLAIN = -1
"""The number of the view that is not augmented; drawn views count from 0."""
Views = tuple[tuple[int, View | None], ...]
"""Numbers of views, and how samples vary in each; None in the plain one."""
_PLAIN_ALONE: Views = ((PLAIN, None),)


@dataclass(frozen=True)
class Seen:
    """Samples as training sees them: `start` is the stage they enter at."""

    samples: Samples
    start: int


@dataclass
class Source:
    """Serves the rows of a split, as tensors at a cut.

    `open` gives the prefix below a cut in the run's engine; `view_key` says as plain values how samples vary. `told`
    hears (done, total) while features are computed. `sampling_weights` (row,) are those of training samples as
    partners. With `any_length` the network takes rows of any length, not of static lengths alone.
    """

    network: Network
    data: PreparedData
    view: View | None
    view_key: Mapping[str, Any]
    open: Callable[[int], Opened]
    store: ArrayStore
    told: OnProgress
    clock: Stopwatch
    sampling_weights: np.ndarray | None = None
    any_length: bool = False
    _stored: dict[tuple[int, str, int, bool], dict[str, np.ndarray]] = field(default_factory=dict, init=False)
    _opened: dict[int, Opened] = field(default_factory=dict, init=False)

    def training(self, cut: int, *, views: int, fresh: bool, mixing: bool = True) -> Seen:
        """The training split. With an augmentation: `fresh` draws anew each epoch, through the whole network; else
        `views` drawn views are stored at `cut` beside the plain one. What is stored is never augmented again.

        Without `mixing` no sample is mixed with another: for what cannot learn from mixed labels.
        """
        view = self.view if self.view is None or mixing else self.view.unmixed()
        if view is None:
            return self._seen(cut, "train", _PLAIN_ALONE)
        if not self.is_stored_in_training(cut, fresh=fresh):
            return Seen(self._trimmed(Drawn(self._samples("train"), view), 0, "train"), 0)
        return self._seen(cut, "train", (*_PLAIN_ALONE, *((number, view) for number in range(views))))

    def plain(self, cut: int, split: str) -> Seen:
        """A split without augmentation, stored at `cut` where that is worth it."""
        return self._seen(cut, split, _PLAIN_ALONE)

    def latest(self, split: str) -> Seen:
        """A split without augmentation at the last cut where it was stored, or from the beginning."""
        cuts = [cut for cut, stored, number, _ in self._stored if stored == split and number == PLAIN]
        return self._seen(cuts[-1] if cuts else 0, split, _PLAIN_ALONE)

    def forget_other_cuts(self, cut: int) -> None:
        """Let go of what is stored at other cuts, and of opened prefixes: a phase may have changed their weights."""
        self._stored = {key: value for key, value in self._stored.items() if key[0] == cut}
        self._opened.clear()

    def is_stored_in_training(self, cut: int, *, fresh: bool) -> bool:
        """True where training samples are stored at `cut` too: not where each epoch draws them anew."""
        return is_storable(self.network, cut, self.data) and not (fresh and self.view is not None)

    def _seen(self, cut: int, split: str, views: Views) -> Seen:
        if is_storable(self.network, cut, self.data):
            stored = tuple(self._at(cut, split, number, view) for number, view in views)
            return Seen(self._trimmed(Stored(stored, self._mixed(views), self._moved(views)), cut, split), cut)
        return Seen(self._trimmed(Drawn(self._samples(split)), 0, split), 0)

    def _trimmed(self, samples: Samples, cut: int, split: str) -> Samples:
        """Samples whose batches are cut to few lengths, where rows differ in length and their tensors show it."""
        lengths, axes = lengths_of(self.data, self.data.indices(split)), self.network.length_axes(cut)
        if lengths is None or not axes:
            return samples
        return Trimmed(samples, lengths, axes, any_length=self.any_length and not compiles_each_shape())

    def _moved(self, views: Views) -> tuple[MoveTargets | None, ...]:
        """How the targets of all training samples move in each view; none where no view moves any."""
        if all(view is None or view.targets is None for _, view in views):
            return ()
        samples = self._samples("train")
        return tuple(None if view is None else partial(Drawn(samples, view).targets, number) for number, view in views)

    def _mixed(self, views: Views) -> tuple[Mixed, ...]:
        """The partners of all training samples in each view; none where no view mixes."""
        samples = self._samples("train")
        everything = np.arange(len(samples.rows))
        found = [Drawn(samples, view).partners(number, everything) for number, view in views]
        if all(each is None for each in found):
            return ()
        alone = Mixed(everything, np.ones(len(everything), np.float32))
        return tuple(alone if each is None else each for each in found)

    def _at(self, cut: int, split: str, number: int, view: View | None) -> dict[str, np.ndarray]:
        key = (cut, split, number, view is not None and view.mixes)
        if key not in self._stored:
            with self.clock.measure("features"):
                rows = self.data.indices(split)
                if cut not in self._opened:
                    self._opened[cut] = self.open(cut)
                passing = plain_rows(self.data, rows) if view is None else self._varied(rows, number, view)
                self._stored[key] = features_of(self._opened[cut], passing, self.store, self.told)
        return self._stored[key]

    def _varied(self, rows: np.ndarray, number: int, view: View) -> Passing:
        """Training samples in a view: what they are, how they vary, and the keys that they are drawn by."""
        drawn = Drawn(self._samples("train"), view)
        varied = {"view": number, **self.view_key}
        left_out = self.view is not None and self.view.mixes and not view.mixes
        if view.mixes and self.sampling_weights is not None:
            weights = np.ascontiguousarray(self.sampling_weights, np.float64)
            varied["partners"] = hashlib.sha256(weights.tobytes()).hexdigest()
        key = rows_key(self.data, rows, {**varied, "mixing": False} if left_out else varied, named=True)
        lengths, mixed = lengths_of(self.data, rows), drawn.partners(number, np.arange(len(rows)))
        if lengths is not None and mixed is not None:  # a partner may be the longer one
            longest = lengths.used[mixed.everyone].reshape(-1, len(rows)).max(axis=0)
            lengths = Lengths(np.maximum(lengths.used, longest), lengths.static)
        return Passing(partial(drawn.take, number), len(rows), key, number, lengths)

    def _samples(self, split: str) -> TrainingSamples:
        rows = self.data.indices(split)
        return TrainingSamples(self.data.tensors, self.data.row_keys, rows, self.sampling_weights, self.data.facts)


def is_storable(network: Network, cut: int, data: PreparedData) -> bool:
    """True where the tensors at `cut` of all samples are worth storing, and fit."""
    return cut > FIRST_LEARNED and bytes_a_sample(network, cut, data) * len(data.owners) <= STORED_LIMIT


def bytes_a_sample(network: Network, cut: int, data: PreparedData) -> int:
    """Bytes of a sample's tensors at `cut`; those that vary in length are stored as long as the longest may be."""
    longest = 1 if data.lengths is None else data.lengths.static[-1]
    per_sample = 0
    for tensor in network.alive(cut).values():
        numbers = math.prod(longest if size is None else size for size in tensor.shape[1:])
        per_sample += numbers * (1 if tensor.dtype == "bool" else 4)
    return per_sample


def alive_shapes(network: Network, cut: int) -> dict[str, tuple[int, ...]]:
    """Shapes, without the batch axis, of everything that stages from `cut` on still need."""
    return {name.removeprefix(TAP): tuple(tensor.shape[1:]) for name, tensor in network.alive(cut).items()}
