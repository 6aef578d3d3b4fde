"""Augmented samples: drawn for each key, then applied by the input kind; training samples only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from headstart.errors import PluginError, UsageError
from headstart.specs import Augmentation, InputKind, Mix, MixesSamples, Transform

if TYPE_CHECKING:
    from headstart.specs import AugmentationSpec

Sample = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class View:
    """How training samples vary: what is drawn, who applies it, and the seed. With `mixes`, some are mixed."""

    kind: InputKind
    augmentation: Augmentation
    seed: int
    mixes: bool = False

    def unmixed(self) -> View:
        """The same draws without their mixes: for what cannot learn from mixed labels."""
        return replace(self, augmentation=Unmixed(self.augmentation), mixes=False)

    def draw(self, epoch: int, key: str) -> Transform:
        """The transform of a sample. Raises PluginError for a mix where the augmentation's spec promised none."""
        drawn = self.augmentation.draw(self.seed, epoch, key)
        if drawn.mix is not None and not self.mixes:
            raise PluginError(
                f"an augmentation drew a mix for {key!r} in epoch {epoch}, but no spec of those chosen says `mixes`",
                hint="its author should set mixes=True in the AugmentationSpec, so that labels are mixed too",
            )
        return drawn


@dataclass(frozen=True)
class Unmixed:
    """An augmentation without its mixes."""

    augmentation: Augmentation

    def draw(self, seed: int, epoch: int, key: str) -> Transform:
        """What it draws, each sample for itself."""
        drawn = self.augmentation.draw(seed, epoch, key)
        return drawn if drawn.mix is None else replace(drawn, mix=None)


@dataclass(frozen=True)
class Composed:
    """Several augmentations, applied one after the other, as one.

    Matrices are multiplied, colours and erased parts follow each other, in this order: all matrices come first. A
    sample has one partner at most: where several parts mix it, each has the same chance to be the one that does.
    """

    parts: tuple[Augmentation, ...]

    def draw(self, seed: int, epoch: int, key: str) -> Transform:
        """What the parts draw; each part has its own seed, so that two flips do not cancel each other."""
        whole = Transform()
        mixes: list[Mix] = []
        for position, part in enumerate(self.parts):
            drawn = part.draw(_seed_at(seed, position), epoch, key)
            whole = whole.then(drawn)
            mixes += [drawn.mix] if drawn.mix is not None else []
        return replace(whole, mix=_one_of(mixes, f"{seed}/{epoch}/{key}")) if len(mixes) > 1 else whole


@dataclass(frozen=True)
class TrainingSamples:
    """The samples that vary: `rows` (count,) int64 of `tensors` (sample, ...) and `keys`, in the split's fixed order.

    A position is a place in `rows`. `chances` (count,) say how often each is seen relative to others, which holds for
    partners as well: or mixing would bring the classes back that were evened out. None: all alike.
    """

    tensors: Mapping[str, np.ndarray]
    keys: Sequence[str]
    rows: np.ndarray
    chances: np.ndarray | None = None

    def at(self, position: int) -> tuple[str, dict[str, np.ndarray]]:
        """The key of a sample, and its tensors without the batch axis; they are no copies."""
        row = int(self.rows[position])
        return self.keys[row], {name: array[row] for name, array in self.tensors.items()}

    def partner(self, mix: Mix) -> int:
        """The position that a mix picks."""
        last = len(self.rows) - 1
        bounds = self._bounds
        if bounds is None:
            return min(int(mix.partner * len(self.rows)), last)
        return min(int(np.searchsorted(bounds, mix.partner * bounds[-1], side="right")), last)

    @cached_property
    def _bounds(self) -> np.ndarray | None:
        """Where the part of each position ends, (count,) float64: summed once, not for each sample."""
        return None if self.chances is None else np.cumsum(self.chances, dtype=np.float64)


@dataclass(frozen=True)
class Mixed:
    """Whom samples are mixed with: `rows` (batch,) int64 are the partners' positions in the training split, `shares`
    (batch,) float32 from 0 to 1 the samples' own part. One that is not mixed is its own partner, with the share 1."""

    rows: np.ndarray
    shares: np.ndarray


def augmented(samples: TrainingSamples, positions: np.ndarray, view: View, epoch: int) -> dict[str, np.ndarray]:
    """The samples at `positions` (batch,) as varied in `epoch`: name -> (batch, ...) arrays, new ones.

    Each depends on (seed, epoch, key), and where it is mixed on its partner's key, never on its batch.
    """
    rows = samples.rows[positions]
    batch = {name: np.array(array[rows]) for name, array in samples.tensors.items()}
    for place, position in enumerate(positions):
        key, sample = samples.at(position)
        drawn = view.draw(epoch, key)
        if drawn.is_identity:
            continue
        own = _transformed(sample, drawn, view.kind)
        varied = own if drawn.mix is None else _mixed(samples, own, drawn.mix, view, epoch)
        for name, array in varied.items():
            batch[name][place] = array
    return batch


def partners(samples: TrainingSamples, positions: np.ndarray, view: View, epoch: int) -> Mixed | None:
    """Whom the samples at `positions` (batch,) are mixed with in `epoch`; None where the view never mixes."""
    if not view.mixes:
        return None
    kind = cast("MixesSamples", view.kind)
    rows, shares = np.array(positions, np.int64), np.ones(len(positions), np.float32)
    for place, position in enumerate(positions):
        key, _ = samples.at(position)
        mix = view.draw(epoch, key).mix
        if mix is not None:
            rows[place], shares[place] = samples.partner(mix), kind.own_share(mix)
    return Mixed(rows, shares)


def check_mixing(specs: Sequence[AugmentationSpec], kind: InputKind, name: str) -> bool:
    """Whether augmentations mix samples. Raises UsageError where one does and the input kind `name` cannot."""
    mixing = [spec for spec in specs if spec.mixes]
    if mixing and not isinstance(kind, MixesSamples):
        raise UsageError(
            f"{', '.join(spec.name for spec in mixing)} mixes samples, which the input kind {name} cannot do",
            hint="leave it out of --augment; a kind that can has `mix` and `own_share`",
        )
    return bool(mixing)


def _mixed(samples: TrainingSamples, own: Sample, mix: Mix, view: View, epoch: int) -> Sample:
    """A varied sample mixed with its partner, which varies by its own draw."""
    key, partner = samples.at(samples.partner(mix))
    varied = _transformed(partner, view.draw(epoch, key), view.kind)
    return cast("MixesSamples", view.kind).mix(own, varied, mix)


def _transformed(sample: Sample, drawn: Transform, kind: InputKind) -> Sample:
    """A sample as varied, but for its mix."""
    alone = replace(drawn, mix=None)
    return sample if alone.is_identity else kind.transform(sample, alone)


def _one_of(mixes: Sequence[Mix], drawn_from: str) -> Mix:
    """Any of them, with equal chances."""
    digest = hashlib.sha256(f"mix/{drawn_from}".encode("utf-8", "surrogateescape")).digest()
    return mixes[int.from_bytes(digest[:8], "little") * len(mixes) >> 64]


def _seed_at(seed: int, position: int) -> int:
    """The seed itself for the first part, so that a single augmentation draws the same alone and composed."""
    if position == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}/{position}".encode()).digest()[:4], "little")
