"""Augmented samples: drawn for each key, then applied by the input kind; training samples only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from headstart.documents import as_bytes
from headstart.errors import PluginError, UsageError
from headstart.specs import (
    Augmentation,
    Batch,
    Change,
    Drawn,
    Facts,
    InputKind,
    JoinsTargets,
    LacksChanges,
    Mix,
    MixesSamples,
    MixesTargets,
    Task,
)

if TYPE_CHECKING:
    from headstart.specs import AugmentationSpec

Sample = Mapping[str, np.ndarray]
MoveTargets = Callable[[Mapping[str, np.ndarray], Sequence[Change], Facts], Mapping[str, np.ndarray]]
"""Encoded targets of one row, the changes of its sample and its facts, to the targets as the varied sample has them."""


@dataclass(frozen=True)
class View:
    """How training samples vary: what is drawn, who applies it, and the seed. With `mixes`, some are mixed.

    `targets` moves the targets of a row along with its sample; None where targets stay as they are. `drops_mixes` says
    that mixes are left out of what is drawn.
    """

    kind: InputKind
    augmentation: Augmentation
    seed: int
    mixes: bool = False
    targets: MoveTargets | None = None
    drops_mixes: bool = False

    def unmixed(self) -> View:
        """The same draws without their mixes: for what cannot learn from mixed labels."""
        return replace(self, mixes=False, drops_mixes=True)

    def draw(self, epoch: int, key: str) -> Drawn:
        """What happens to a sample. Raises PluginError for a mix where the augmentation's spec promised none."""
        drawn = self.augmentation.draw(self.seed, epoch, key)
        if self.drops_mixes:
            return replace(drawn, mix=None)
        if drawn.mix is not None and not self.mixes:
            raise PluginError(
                f"an augmentation drew a mix for {key!r} in epoch {epoch}, but no spec of those chosen says `mixes`",
                hint="its author should set mixes=True in the AugmentationSpec, so that labels are mixed too",
            )
        return drawn


@dataclass(frozen=True)
class Composed:
    """Several augmentations as one: the changes of the first, then those of the next.

    A sample has one partner at most: where several parts mix it, each has the same chance to be the one that does.
    """

    parts: tuple[Augmentation, ...]

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """What the parts draw; each part has its own seed, so that two flips do not cancel each other."""
        drawn = [part.draw(_seed_at(seed, position), epoch, key) for position, part in enumerate(self.parts)]
        mixes = [each.mix for each in drawn if each.mix is not None]
        changes = tuple(change for each in drawn for change in each.changes)
        if len(mixes) < 2:
            return Drawn(changes, next(iter(mixes), None))
        digest = hashlib.sha256(as_bytes(f"mix/{seed}/{epoch}/{key}")).digest()
        return Drawn(changes, mixes[int.from_bytes(digest[:8], "little") * len(mixes) >> 64])


@dataclass(frozen=True)
class TrainingSamples:
    """The samples that vary: `rows` (count,) int64 of `tensors` (sample, ...) and `keys`, in the split's fixed order.

    A position is a place in `rows`. `sampling_weights` (count,) say how often each is seen relative to others, which
    holds for partners as well: or mixing would bring the classes back that were evened out. None: all alike. `facts`
    are those of each sample; they may be empty where no view moves targets.
    """

    tensors: Mapping[str, np.ndarray]
    keys: Sequence[str]
    rows: np.ndarray
    sampling_weights: np.ndarray | None = None
    facts: Sequence[Facts] = ()

    def at(self, position: int) -> tuple[str, dict[str, np.ndarray]]:
        """The key of a sample, and its tensors without the batch axis; they are no copies."""
        row = int(self.rows[position])
        return self.keys[row], {name: array[row] for name, array in self.tensors.items()}

    def partner(self, mix: Mix) -> int:
        """The position that a mix picks."""
        ends = self._ends
        return min(int(np.searchsorted(ends, mix.partner * ends[-1], side="right")), len(ends) - 1)

    @cached_property
    def _ends(self) -> np.ndarray:
        """Where the part of each position ends, (count,) float64: summed once, not for each sample."""
        weights = np.ones(len(self.rows)) if self.sampling_weights is None else self.sampling_weights
        return np.cumsum(weights, dtype=np.float64)


@dataclass(frozen=True)
class Mixed:
    """Whom samples are mixed with: `rows` (batch,) int64 are the partners' positions in the training split, `shares`
    (batch,) float32 from 0 to 1 the samples' own part. One that is not mixed is its own partner, with the share 1.

    `steps` are the mixes that say so, one a row, None where there is none. `then` are the partners of the steps after
    these, where some row has any.
    """

    rows: np.ndarray
    shares: np.ndarray
    steps: tuple[Mix | None, ...] = ()
    then: Mixed | None = None

    @property
    def rounds(self) -> tuple[Mixed, ...]:
        """This one and those that follow."""
        return (self,) if self.then is None else (self, *self.then.rounds)

    @property
    def everyone(self) -> np.ndarray:
        """Positions of all partners, (round * batch,)."""
        return np.concatenate([each.rows for each in self.rounds])

    def of(self, places: np.ndarray) -> Mixed:
        """Those at `places` (row,) of the batch."""
        steps = tuple(self.steps[place] for place in places) if self.steps else ()
        then = None if self.then is None else self.then.of(places)
        return Mixed(self.rows[places], self.shares[places], steps, then)

    def mixes(self) -> list[tuple[Mix, ...]]:
        """All steps of each row, of the first round."""
        return [() if first is None else first.steps for first in self.steps]

    def placed(self) -> list[tuple[Change, ...]]:
        """The changes that a step makes to the partner of each row."""
        return [() if step is None else step.changes for step in self.steps or [None] * len(self.rows)]


@dataclass(frozen=True)
class Varied:
    """Samples as varied: new arrays, name -> (batch, ...), and whom they are mixed with, None where none ever is."""

    tensors: dict[str, np.ndarray]
    mixed: Mixed | None


def varied(samples: TrainingSamples, positions: np.ndarray, view: View, epoch: int) -> Varied:
    """The samples at `positions` (batch,) as varied in `epoch`.

    Each depends on (seed, epoch, key), and where it is mixed on its partner's key, never on its batch.
    """
    rows = samples.rows[positions]
    tensors = {name: np.array(array[rows]) for name, array in samples.tensors.items()}
    draws = [view.draw(epoch, samples.keys[row]) for row in rows]
    mixed = _mixed(samples, positions, draws, view)
    for place, (position, drawn) in enumerate(zip(positions, draws, strict=True)):
        if drawn == Drawn():
            continue
        _, sample = samples.at(position)
        own = _changed(sample, drawn.whole, view.kind)
        for step, partners_of in zip(drawn.steps, () if mixed is None else mixed.rounds, strict=False):
            other_key, other = samples.at(partners_of.rows[place])
            changes = view.draw(epoch, other_key).changes  # the partner varies too, but for its own mix
            own = cast("MixesSamples", view.kind).mix(own, _changed(other, (*changes, *step.changes), view.kind), step)
        for name, array in own.items():
            tensors[name][place] = array
    return Varied(tensors, mixed)


def _mixed(samples: TrainingSamples, positions: np.ndarray, draws: Iterable[Drawn], view: View) -> Mixed | None:
    """Whom the `draws` mix the samples at `positions` with; None where the view never mixes."""
    if not view.mixes:
        return None
    kind = cast("MixesSamples", view.kind)
    mixes = [drawn.steps for drawn in draws]
    found: Mixed | None = None
    for number in reversed(range(max(1, *map(len, mixes)) if mixes else 1)):
        rows, shares = np.array(positions, np.int64), np.ones(len(positions), np.float32)
        steps = tuple(each[number] if number < len(each) else None for each in mixes)
        for place, step in enumerate(steps):
            if step is not None:
                rows[place], shares[place] = samples.partner(step), kind.own_share(step)
        found = Mixed(rows, shares, steps, found)
    return found


def moved(
    samples: TrainingSamples, targets: Mapping[str, np.ndarray], whose: np.ndarray | Mixed, view: View, epoch: int
) -> dict[str, np.ndarray]:
    """Of the encoded `targets` (position, ...) of all samples some, moved as the changes of `epoch` move their samples:
    new arrays (batch, ...).

    `whose` are positions (batch,), or a round of partners: these do without their own mixes, and stand as the round
    places them.
    """
    positions = whose.rows if isinstance(whose, Mixed) else whose
    found = {name: np.array(array[positions]) for name, array in targets.items()}
    if view.targets is None:
        return found
    placed = whose.placed() if isinstance(whose, Mixed) else None
    for place, position in enumerate(positions):
        row = int(samples.rows[position])
        drawn = view.draw(epoch, samples.keys[row])
        changes = drawn.whole if placed is None else (*drawn.changes, *placed[place])
        if changes:
            own = {name: array[place] for name, array in found.items()}
            facts = samples.facts[row] if len(samples.facts) else {}
            for name, array in view.targets(own, changes, facts).items():
                found[name][place] = array
    return found


def blended(task: Task, own: Batch, partners: Sequence[Batch], mixed: Mixed) -> Batch:
    """Encoded targets (batch, ...) of mixed samples, from those of the samples' `own` and those of each round of
    `partners`, all moved. Raises UsageError for a task that can do no such thing."""
    if isinstance(task, JoinsTargets):
        return task.join(own, partners, mixed.mixes())
    if not isinstance(task, MixesTargets):
        raise UsageError(
            "an augmentation mixes samples, and the task cannot mix their targets",
            hint="leave the augmentation out that mixes, or choose another task",
        )
    found = task.mix(own, partners[0], mixed.shares)
    for each, others in zip(mixed.rounds[1:], partners[1:], strict=True):
        # What was mixed may have another form than what is encoded, as classes become shares: that of a partner mixed
        # with itself.
        alike = task.mix(others, others, np.ones_like(each.shares))
        found = {name: _mean(array, alike[name], each.shares) for name, array in found.items()}
    return found


def _mean(own: np.ndarray, other: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Means of rows (batch, ...), of which `shares` (batch,) weigh the first, in their own dtype."""
    weights = shares.reshape(-1, *[1] * (own.ndim - 1))
    mean: np.ndarray = weights * own + (1 - weights) * other
    return mean.astype(own.dtype)


def partners(samples: TrainingSamples, positions: np.ndarray, view: View, epoch: int) -> Mixed | None:
    """Whom the samples at `positions` (batch,) are mixed with in `epoch`; None where the view never mixes."""
    # One at a time, since they may be many; and none where the view never mixes.
    draws = (view.draw(epoch, samples.keys[row]) for row in samples.rows[positions])
    return _mixed(samples, positions, draws, view)


def check_mixing(specs: Sequence[AugmentationSpec], kind: InputKind, name: str) -> bool:
    """Whether augmentations mix samples. Raises UsageError where one does and the input kind `name` cannot."""
    mixing = [spec for spec in specs if spec.mixes]
    if mixing and not isinstance(kind, MixesSamples):
        raise UsageError(
            f"{', '.join(spec.name for spec in mixing)} mixes samples, which the input kind {name} cannot do",
            hint="leave it out of --augment; a kind that can has `mix` and `own_share`",
        )
    return bool(mixing)


def check_changes(specs: Sequence[AugmentationSpec], kind: InputKind, name: str) -> None:
    """Raises UsageError where an augmentation draws what the input kind `name` cannot apply as it is built."""
    lacking = kind.lacking() if isinstance(kind, LacksChanges) else {}
    for spec in specs:
        if missing := sorted(spec.draws & lacking.keys()):
            raise UsageError(
                f"{spec.name} draws {missing[0]}, which {name} cannot apply for these weights: {lacking[missing[0]]}",
                hint="leave it out of --augment, or choose other weights",
            )


def _changed(sample: Sample, changes: Sequence[Change], kind: InputKind) -> Sample:
    return kind.transform(sample, changes) if changes else sample


def _seed_at(seed: int, position: int) -> int:
    """The seed itself for the first part, so that a single augmentation draws the same alone and composed."""
    if position == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}/{position}".encode()).digest()[:4], "little")
