"""Arms and cells of a comparison, and what a finished cell keeps in `cell.json`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.documents import read_object
from headstart.errors import DataError

CELLS = "cells"
"""The folder of a comparison that its runs lie in."""
KEPT = "cell.json"
"""What a cell measured, in the folder of its run; written last."""
LARGEST_CELL = 2**26
FORM = 1
"""Of `comparison.json` and `cell.json`."""


@dataclass(frozen=True)
class Arm:
    """One of the sides that are compared: a backbone and a strategy, or the `control`, the network from scratch.

    `flags` and `sets` make its recipe, as `headstart fit` takes them. `network` names what is built, without its
    weights: arms of one network share the control. `frozen` ones train no stage of the backbone. `epochs` are those of
    all phases by gradient together; 0 where the head is solved for. One that is not `trained` has no phase at all.
    A `twin` is trained as the arm of that name is, from random weights: what differs is the source alone.
    """

    name: str
    backbone: str
    network: str
    strategy: str
    flags: Mapping[str, Any]
    sets: tuple[str, ...] = ()
    control: bool = False
    frozen: bool = False
    epochs: int = 0
    trained: bool = True
    twin: str = ""

    @property
    def is_random(self) -> bool:
        """Whether it begins with random weights."""
        return self.control or bool(self.twin)


@dataclass(frozen=True)
class Cell:
    """One run: an arm on a share of train, with a seed."""

    arm: str
    fraction: float
    seed: int

    @property
    def name(self) -> str:
        """Its folder's."""
        return f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', self.arm)}-{100 * self.fraction:g}-{self.seed}"

    def __str__(self) -> str:
        return f"{self.arm}, {100 * self.fraction:g} % of train, seed {self.seed}"


@dataclass(frozen=True)
class Design:
    """All that a comparison compares: each arm on each of the `fractions` of train, rising, with each of the `seeds`.

    `settings` are what it was asked for, and what was fixed of this machine: threads of a cell. `samples` counts train
    by fraction, as it is written in percent, and val and test. `twins` come in once the arms are measured, on all
    labels alone.
    """

    data: str
    task: str
    backend: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    fractions: tuple[float, ...]
    samples: Mapping[str, int]
    threads: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    twins: tuple[Arm, ...] = ()

    @property
    def all_labels(self) -> float:
        """The largest fraction."""
        return self.fractions[-1]

    @property
    def whole(self) -> str:
        """The largest fraction in words."""
        return labels_of(self.all_labels)

    def arm(self, name: str) -> Arm:
        """The arm of this name."""
        return next(arm for arm in (*self.arms, *self.twins) if arm.name == name)

    def control_of(self, arm: Arm) -> Arm:
        """The same network from scratch."""
        return next(each for each in self.arms if each.control and each.network == arm.network)

    def trained_on(self, fraction: float) -> int:
        """Samples of train at `fraction`."""
        return self.samples[share_name(fraction)]

    def cells(self) -> Iterator[Cell]:
        """Every cell, a seed after the other, so that few seeds make a table of use; all labels first."""
        for seed in self.seeds:
            for fraction in reversed(self.fractions):
                for arm in self.arms:
                    yield Cell(arm.name, fraction, seed)
        for seed in self.seeds:
            for twin in self.twins:
                yield Cell(twin.name, self.all_labels, seed)

    def leaders(self) -> dict[str, Cell]:
        """By backbone the cell that computes its frozen features for all others: on all labels, where it can an arm
        that is frozen."""
        found: dict[str, Cell] = {}
        for arm in sorted(self.arms, key=lambda arm: not arm.frozen):
            if not arm.control:
                found.setdefault(arm.backbone, Cell(arm.name, self.all_labels, self.seeds[0]))
        return found

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Design:
        """What `document` gave. Raises DataError where it is damaged."""
        try:
            arms = {
                name: tuple(Arm(**{**each, "sets": tuple(each["sets"])}) for each in document[name])
                for name in ("arms", "twins")
            }
            lists = {name: tuple(document[name]) for name in ("seeds", "fractions", "notes")}
            return cls(**{**document, **lists, **arms})
        except (KeyError, TypeError) as exc:
            raise DataError(f"the plan of the comparison is damaged: {exc}", hint="start a new one") from exc


def share_name(fraction: float) -> str:
    """A fraction as the counts of samples name it: `train 10 %`."""
    return f"train {100 * fraction:g} %"


def labels_of(fraction: float) -> str:
    """The largest fraction of a comparison in words: `all labels`, or `10 % of train`."""
    return "all labels" if fraction == 1.0 else f"{100 * fraction:g} % of train"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a finished cell gave. Figures are of the primary metric, None where it cannot be told.

    `bounds` is the run's own 95 % interval on test, over samples. `baseline` is what an answer without a model
    gets there, by the name that the task gives it. `classes` has a figure for each class on test, called
    `class_figure`. `curve` lists (seconds since training began, figure on val) as they came. `similarity` is debiased
    CKA by stage between what the backbone was and what it became, on val; empty where that was not asked for. Of a cell
    that `failed`, only that is known, in words: training diverged.
    """

    arm: str
    fraction: float
    seed: int
    test: float | None = None
    val: float | None = None
    metric: str = ""
    higher_is_better: bool = True
    bounds: tuple[float, float] | None = None
    baseline: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, float | None] = field(default_factory=dict)
    class_figure: str | None = None
    curve: tuple[tuple[float, float], ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    trainable: int = 0
    similarity: Mapping[str, float | None] = field(default_factory=dict)
    engine: str = ""
    judged_on: str = ""
    """A hash of the rows of val and test: the same in all cells."""
    warnings: tuple[str, ...] = ()
    failed: str | None = None

    @property
    def cell(self) -> Cell:
        """Which one it is."""
        return Cell(self.arm, self.fraction, self.seed)

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return {"form": FORM, **dataclasses.asdict(self)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Measured:
        """What `document` gave. Raises DataError where it is damaged, or of another form."""
        values = dict(document)
        if values.pop("form", None) != FORM:
            raise DataError(f"{KEPT} is of the form {document.get('form')}; this version knows {FORM}")
        try:
            values["curve"] = tuple((float(seconds), float(figure)) for seconds, figure in values["curve"])
            values["bounds"] = tuple(values["bounds"]) if values["bounds"] else None
            return cls(**{**values, "warnings": tuple(values["warnings"])})
        except (KeyError, TypeError, ValueError) as exc:
            raise DataError(f"{KEPT} is damaged: {exc}") from exc


def finished(design: Design, folder: Path) -> dict[Cell, Measured]:
    """The cells below `folder` that came to their end, in order."""
    found = {}
    for cell in design.cells():
        measured = read_cell(folder / CELLS / cell.name)
        if measured is not None:
            found[cell] = measured
    return found


def read_cell(folder: Path) -> Measured | None:
    """What the cell in `folder` measured; None where it is not finished, or damaged: then it is run again."""
    if not (folder / KEPT).is_file():
        return None
    try:
        return Measured.of(read_object(folder / KEPT, LARGEST_CELL))
    except DataError:
        return None


def of_arm(cells: Iterable[Measured], arm: str, fraction: float) -> dict[int, Measured]:
    """The cells of an arm at a fraction, by seed."""
    return {each.seed: each for each in cells if each.arm == arm and each.fraction == fraction}


def mean(values: Sequence[float]) -> float | None:
    """Of some values; None for none."""
    return sum(values) / len(values) if values else None
