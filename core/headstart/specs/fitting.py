"""What is read off the training split before anything is prepared or encoded, such as a vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from headstart.specs.datasets import Finding

if TYPE_CHECKING:
    from headstart.specs.tasks import Task


@dataclass(frozen=True)
class TrainingSplit:
    """The records of the training split, in the order of their keys, and nothing of other sides.

    `payloads` are as a dataset gave them, in memory; `values` are their targets, as the target kind read them. Each is
    read when it is asked for. `seed` is that of the run. What is fitted writes its files into the empty `folder`.
    `tell` takes what users should know of it, notes and warnings. A task also gets `assets`, the files that the input
    kind is built from, and `source`, the task of the run whose head it goes on from, where there is one.
    """

    payloads: Sequence[Any]
    values: Sequence[Any]
    seed: int
    folder: Path
    tell: Callable[[Finding], None]
    assets: Mapping[str, Path] = field(default_factory=dict)
    source: Task | None = None


@runtime_checkable
class FitsAhead(Protocol):
    """What an InputKind or a Task offers too that takes something from the training split before anything is prepared
    or encoded, such as the pieces of a vocabulary. What it takes is in its `assets`, see HasAssets."""

    @property
    def is_fitted(self) -> bool:
        """Whether it has what it needs, such as files that come with weights or an artefact: then it is not asked."""

    def fitted_ahead(self, training: TrainingSplit) -> Self:
        """This one, fitted; called once at most.

        A function of `training` alone: equal records give files of equal bytes, in any process. An input kind is asked
        to `read` before that, and not to `prepare`. Raises DataError where too little is there to learn from.
        """
