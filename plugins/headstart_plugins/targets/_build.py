"""Build targets of class, labels and number; each fulfils `headstart.specs.TargetKind`. No framework is imported."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from headstart.errors import DataError
from headstart.specs import Change, Facts, Finding, Recognised, Record, Records, TargetRequest
from headstart_plugins._class_names import odd_names
from headstart_plugins._target_texts import SEPARATOR, labels_of, number_of

if TYPE_CHECKING:
    import numpy as np

MOST_GRADES = 4
"""Up to so many different numbers with fractions are grades, such as 0.5 and 1.0: classes."""
MOST_CODES = 20
"""Up to so many different whole numbers are names of classes, however few records each has."""
RECORDS_PER_CODE = 10.0
"""With so many records to each different whole number, those are names of classes too."""

LEADING_ZERO = re.compile(r"\s*0\d", re.ASCII)

NEARLY_ALL = 0.9
"""With so many numbers among the targets, the others are odd cells in a column of numbers rather than classes."""

CLASS, LABELS, NUMBER = "class", "labels", "number"
TELLING, ANY_TEXT = 0.8, 0.5
"""How sure something in the texts makes it, and that they are texts at all: then each names a class."""


def look_of(targets: Sequence[str]) -> tuple[str, Recognised]:
    """The kind that texts look like together, and why.

    Labels: some are joined by SEPARATOR, and there are fewer labels than combinations of them. Numbers: all are, none
    with a leading zero, with fractions and more than MOST_GRADES different ones, or whole, more than MOST_CODES
    different ones and fewer than RECORDS_PER_CODE records to each. Everything else are classes; that they could be
    numbers is told where more than two different ones are written, or nearly all are numbers.
    """
    combinations = set(targets)
    if joined := sum(SEPARATOR in target for target in targets):
        labels = {label for target in combinations for label in labels_of(target)}
        if len(labels) >= len(combinations):
            reason = f"no label comes with others than its own in {joined} targets that hold {SEPARATOR!r}"
            return CLASS, Recognised(reason, TELLING, True, LABELS)
        reason = f"{joined} of {len(targets)} targets are several of {len(labels)} labels, joined by {SEPARATOR!r}"
        return LABELS, Recognised(reason, TELLING, True, CLASS)
    numbers = [number_of(target) for target in targets]
    if targets and None not in numbers:
        values = {number for number in numbers if number is not None}
        whole = "whole " if all(value.is_integer() for value in values) else ""
        reason = f"all {len(targets)} targets are {whole}numbers, {len(values)} different ones"
        few = _are_classes(values, len(targets))
        if code := _code_among(targets):
            reason += f", and {code!r} has a leading zero, as a code has"
            return CLASS, Recognised(reason, TELLING, not few, NUMBER)
        kind, other = (CLASS, NUMBER) if few else (NUMBER, CLASS)
        return kind, Recognised(reason, TELLING, not few or len(values) > 2, other)
    if odd := odd_among_numbers(targets):
        return CLASS, Recognised(odd, TELLING, True)
    return CLASS, Recognised(f"{len(combinations)} different labels", ANY_TEXT)


def odd_among_numbers(targets: Sequence[str]) -> str | None:
    """What is odd where nearly all targets are numbers of something measured; None where they are not, or all are."""
    numbers = [number for target in targets if (number := number_of(target)) is not None]
    share = len(numbers) / max(1, len(targets))
    if share == 1 or share < NEARLY_ALL or _are_classes(set(numbers), len(numbers)) or _code_among(targets):
        return None
    odd = next(target for target in targets if number_of(target) is None)
    return f"{len(numbers)} of {len(targets)} targets are numbers, and {odd!r} is none"


def _code_among(targets: Sequence[str]) -> str | None:
    """The first that is written as codes are and numbers are not, with a zero before another digit: 007."""
    return next((target for target in targets if LEADING_ZERO.match(target)), None)


def _are_classes(values: Collection[float], records: int) -> bool:
    """Whether these are all the different numbers of classes or grades rather than of something measured."""
    if all(value.is_integer() for value in values):
        return len(values) <= MOST_CODES or records >= RECORDS_PER_CODE * len(values)
    return len(values) <= MOST_GRADES


ALL, UNLABELLED = "all", "no label"
"""Strata of every record, and of those without any label. A label's begins with "label "."""
MOST_BINS = 10
RECORDS_PER_BIN = 10


class TextTargets:
    """What the three have in common: a target is a text, and there are no options."""

    look: ClassVar[str]
    """Its name for `recognised`."""
    may_be_empty: ClassVar[bool] = False
    moves: ClassVar[bool] = False

    def __init__(self, request: TargetRequest) -> None:
        """See `headstart.specs.TargetBuild`."""

    def recognise(self, records: Records) -> Recognised | None:
        """By what all texts look like together; see `look_of`. A target that is not known counts as an empty text."""
        targets = ["" if record.target is None else record.target for record in records.items]
        if not all(isinstance(target, str) for target in targets):
            return None
        kind, found = look_of(targets)
        return found if kind == self.look else None

    def check(self, items: Sequence[Record]) -> Iterable[Finding]:
        """An error for each way in which some targets are no text that may stand here; else what else is wrong."""
        found: dict[str, list[DataError]] = {}
        for record in items:
            try:
                self.text(record.target, record.key)
            except DataError as error:
                found.setdefault(error.message.removeprefix(record.key), []).append(error)
        if found:
            return [Finding("error", same[0].message, len(same), same[0].hint) for same in found.values()]
        return self.problems(items)

    def problems(self, items: Sequence[Record]) -> Iterable[Finding]:
        """What is wrong with targets that are texts which may stand here."""
        raise NotImplementedError

    def words(self, target: Any) -> str:
        """The text itself."""
        return str(target)

    def transform(
        self, targets: Mapping[str, np.ndarray], changes: Sequence[Change], facts: Facts
    ) -> Mapping[str, np.ndarray]:
        """As they are: no change of a sample alters what it is called."""
        return targets

    def examples(self, count: int) -> Sequence[str]:
        """Four different ones in turn."""
        return [str(number % 4) for number in range(count)]

    def text(self, target: Any, where: str) -> str:
        """The target, if it is a text that may stand here. Raises DataError naming `where`."""
        if not isinstance(target, str):
            raise DataError(f"{where}: the target is {type(target).__name__}; expected text")
        if not target.strip() and not self.may_be_empty:
            raise DataError(f"{where}: no label", hint="give every sample a label, or leave it out")
        return target


class ClassTargets(TextTargets):
    """A target is the name of one class, and a value the same text."""

    look = CLASS
    noun = "class"
    exclusive = True

    def problems(self, items: Sequence[Record]) -> Iterable[Finding]:
        """Errors for empty names, look-alikes, names that are no UTF-8, and fewer than two classes."""
        found = {record.target for record in items}
        yield from odd_names(found)
        if len(found) < 2:
            yield Finding(
                "error",
                f"all samples have the label {next(iter(found), '')!r}; learning needs at least two classes",
                len(items),
                "check that the path is the folder above the class folders, or the column that of the labels",
            )

    def names(self, target: Any) -> tuple[str, ...]:
        """The class."""
        return (target,)

    def strata(self, targets: Sequence[Any]) -> list[tuple[str, ...]]:
        """The class of each."""
        return [(target,) for target in targets]

    def read(self, target: Any, where: str) -> str:
        """The name. Raises DataError where it is empty or no text."""
        return self.text(target, where)

    def advice(self, targets: Sequence[Any]) -> str | None:
        """See AdvisesOnFew: a few odd cells in a column of numbers are no classes."""
        odd = odd_among_numbers(targets)
        return None if odd is None else f"{odd}: mend it and learn numbers, which --task regression does"


class LabelsTargets(TextTargets):
    """A target holds any number of labels, joined by SEPARATOR; a value is the tuple of them."""

    look = LABELS
    may_be_empty = True
    noun = "label"
    exclusive = False

    def problems(self, items: Sequence[Record]) -> Iterable[Finding]:
        """Errors for look-alikes, names that are no UTF-8, a label given twice, no labels, and all the same ones."""
        given = {record.key: labels_of(record.target) for record in items}
        found = {label for each in given.values() for label in each}
        yield from odd_names(found)
        twice = [record for record in items if len(set(given[record.key])) < len(given[record.key])]
        if twice:
            message = f"{twice[0].key}: a label is given twice in {twice[0].target!r}"
            yield Finding("error", message, len(twice), "give each one once")
        if not found:
            hint = "check the column that holds the labels"
            yield Finding("error", "no sample has any label", len(items), hint)
        elif len({frozenset(each) for each in given.values()}) < 2:
            message = f"all samples have the same labels, {items[0].target!r}; there is nothing to tell apart"
            yield Finding("error", message, len(items))

    def names(self, target: Any) -> tuple[str, ...]:
        """The labels."""
        return labels_of(target)

    def strata(self, targets: Sequence[Any]) -> list[tuple[str, ...]]:
        """All, and each label or none."""
        given = [sorted(set(labels_of(target))) for target in targets]
        return [(ALL, *(f"label {label}" for label in labels)) if labels else (ALL, UNLABELLED) for labels in given]

    def read(self, target: Any, where: str) -> tuple[str, ...]:
        """The labels in their order. Raises DataError where the target is no text."""
        return labels_of(self.text(target, where))


class NumberTargets(TextTargets):
    """A target is a finite number as text, and a value the float."""

    look = NUMBER
    noun = "number"
    exclusive = False

    def problems(self, items: Sequence[Record]) -> Iterable[Finding]:
        """Errors for what is no number, and where all are the same."""
        values = [number_of(record.target) for record in items]
        odd = [record for record, value in zip(items, values, strict=True) if value is None]
        if odd:
            yield Finding(
                "error",
                f"{odd[0].key}: the target {odd[0].target!r} is no number",
                len(odd),
                "write numbers as -3.5 or 1e3, or learn classes with `--task classification`",
            )
        elif len(set(values)) < 2:
            first = items[0].target if items else ""
            yield Finding("error", f"all samples have the target {first!r}; there is nothing to learn", len(items))

    def names(self, target: Any) -> tuple[str, ...]:
        """Nothing: a number that train lacks can be learned from its neighbours."""
        return ()

    def strata(self, targets: Sequence[Any]) -> list[tuple[str, ...]]:
        """All, and the quantile bin of each: MOST_BINS bins, fewer where each would hold less than RECORDS_PER_BIN;
        equal numbers share one."""
        values = [self.place(target) for target in targets]
        count = min(MOST_BINS, max(1, len(values) // RECORDS_PER_BIN))
        below: dict[float, int] = {}
        for place, value in enumerate(sorted(values)):
            below.setdefault(value, place)
        return [(ALL, f"bin {below[value] * count // len(values)}") for value in values]

    def place(self, target: Any) -> float:
        """See HasScale: the number itself; 0 for what is none."""
        return number_of(target) or 0.0

    def read(self, target: Any, where: str) -> float:
        """The number. Raises DataError where it is none."""
        value = number_of(self.text(target, where))
        if value is None:
            raise DataError(f"{where}: the target {target!r} is no number", hint="write it as -3.5 or 1e3")
        return value
