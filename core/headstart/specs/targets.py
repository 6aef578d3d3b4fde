"""Targets: what a record is to be answered with, and the kinds that know what one means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from headstart.specs.base import Spec
from headstart.specs.datasets import Finding, Record, Records
from headstart.specs.inputs import Change, Facts

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Recognised:
    """Why targets look like those of a kind, and how sure that is, from 0 to 1: the highest `confidence` wins.

    `could_differ` says that the user could have meant another kind: then the choice is a warning, which names the task
    of the kind `instead`, if one is installed.
    """

    reason: str
    confidence: float
    could_differ: bool = False
    instead: str | None = None


class TargetKind(Protocol):
    """Knows what the targets of records mean: whether they are sound, how to split by them, how to read one.

    A target is what the dataset gave as `Record.target`: text, a Path, an array, a tuple or a mapping. A value is what
    `read` makes of it, and what a task encodes.
    """

    noun: str
    """What one target names, in the singular, for messages: "class", "label", "number", "box"."""
    exclusive: bool
    """Each record lies in exactly one stratum, and each side of a split must hold some of every stratum."""
    moves: bool
    """Changes of a sample change its target too: then `transform` is asked."""

    def recognise(self, records: Records) -> Recognised | None:
        """Whether these look like targets of this kind; None where they do not. `Records.targets` is None here."""

    def check(self, items: Sequence[Record]) -> Iterable[Finding]:
        """Everything that is wrong with the targets of `items`, each of which has one, and what else is worth saying.

        An error names a record, or what nothing can be learned from.
        """

    def names(self, target: Any) -> tuple[str, ...]:
        """What the training split must have too, such as a class; () where that means nothing."""

    def strata(self, targets: Sequence[Any]) -> list[tuple[str, ...]]:
        """The strata of each target, which a split spreads evenly over its sides; () where there is nothing to spread.

        With `exclusive`, one for each.
        """

    def words(self, target: Any) -> str:
        """A target in a few words, for sheets, previews and predictions.csv."""

    def read(self, target: Any, where: str) -> Any:
        """The value of a target; a file is read. Raises DataError naming `where`."""

    def transform(
        self, targets: Mapping[str, np.ndarray], changes: Sequence[Change], facts: Facts
    ) -> Mapping[str, np.ndarray]:
        """The encoded targets of one row, moved as `changes` move its sample; they stay as they are where that is no
        matter."""


@runtime_checkable
class AdvisesOnFew(Protocol):
    """What a TargetKind offers too that knows why a stratum may have too few records for a split."""

    def advice(self, targets: Sequence[Any]) -> str | None:
        """What to do about it, in place of the general hint; None for that one. `targets` are those of all records."""


@runtime_checkable
class HasScale(Protocol):
    """What a TargetKind offers too whose targets lie on a line, as numbers do."""

    def place(self, target: Any) -> float:
        """Where on the line."""


@runtime_checkable
class AllowsOthers(Protocol):
    """What a TargetKind offers too where equal samples may well have different targets, as a sentence has several
    translations: that is then noted, and no contradiction."""

    others_are_right: bool


@runtime_checkable
class GivesExamples(Protocol):
    """What a TargetKind offers too that can make targets up: with them the contract kit trains a head."""

    def examples(self, count: int) -> Sequence[Any]:
        """So many sound targets, several different ones in turn; nothing of their samples needs to be known."""


@dataclass(frozen=True)
class TargetRequest:
    """What a kind of targets is built from."""

    options: Any


class TargetBuild(Protocol):
    """Build target of a TargetSpec; it imports no framework."""

    def __call__(self, request: TargetRequest) -> TargetKind:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class TargetSpec(Spec):
    """A kind of targets. `build` is a TargetBuild; `version` changes when the same targets would be read otherwise.

    `means` says in a few words what a record is answered with, for messages: "one class", "several labels". Where a
    dataset says that its targets are of this kind, a task for another one is refused, but for those in `read_as`.
    `columns` are the names that a table's column of such targets can have, each with what stands there: the "text" that
    becomes the record's target, or the path of a "file", relative to the table.
    """

    build: str
    means: str
    read_as: tuple[str, ...] = ()
    columns: Mapping[str, Literal["text", "file"]] = field(default_factory=dict)
    version: int = 1
