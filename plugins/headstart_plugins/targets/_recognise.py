"""Which of class, labels and number the texts of all targets look like together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from headstart.specs import Recognised, Records
from headstart_plugins._target_texts import SEPARATOR, labels_of, number_of

MOST_GRADES = 4
"""Up to so many different numbers with fractions are grades, such as 0.5 and 1.0: classes."""
MOST_CODES = 20
"""Up to so many different whole numbers are names of classes, however few records each has."""
RECORDS_PER_CODE = 10.0
"""With so many records to each different whole number, those are names of classes too."""

NEARLY_ALL = 0.9
"""With so many numbers among the targets, the others are odd cells in a column of numbers rather than classes."""

CLASS, LABELS, NUMBER = "class", "labels", "number"
TELLING, ANY_TEXT = 0.8, 0.5
"""How sure something in the texts makes it, and that they are texts at all: then each names a class."""


@dataclass(frozen=True)
class Look:
    """What targets look like, and why; `could_differ` where the user could have meant another kind."""

    kind: str
    reason: str
    could_differ: bool
    confidence: float = TELLING


def recognised(records: Records, kind: str) -> Recognised | None:
    """Whether these are texts of this kind. A target that is not known counts as an empty text."""
    targets = ["" if record.target is None else record.target for record in records.items]
    if not all(isinstance(target, str) for target in targets):
        return None
    look = look_of(targets)
    return Recognised(look.reason, look.confidence, look.could_differ) if look.kind == kind else None


def look_of(targets: Sequence[str]) -> Look:
    """What texts look like together.

    Labels: some are joined by SEPARATOR, and there are fewer labels than combinations of them. Numbers: all are, with
    fractions and more than MOST_GRADES different ones, or whole, more than MOST_CODES different ones and fewer than
    RECORDS_PER_CODE records to each. Everything else are classes, told of where nearly all are numbers.
    """
    return _joined(targets) or _numeric(targets) or _named(targets)


def _joined(targets: Sequence[str]) -> Look | None:
    combinations = set(targets)
    if not any(SEPARATOR in target for target in combinations):
        return None
    joined = sum(SEPARATOR in target for target in targets)
    labels = {label for target in combinations for label in labels_of(target)}
    if len(labels) >= len(combinations):
        reason = f"no label comes with others than its own in {joined} targets that hold {SEPARATOR!r}"
        return Look(CLASS, reason, True)
    reason = f"{joined} of {len(targets)} targets are several of {len(labels)} labels, joined by {SEPARATOR!r}"
    return Look(LABELS, reason, True)


def _numeric(targets: Sequence[str]) -> Look | None:
    numbers = [number_of(target) for target in targets]
    values = {number for number in numbers if number is not None}
    if not targets or None in numbers:
        return None
    whole = "whole " if all(value.is_integer() for value in values) else ""
    said = f"all {len(targets)} targets are {whole}numbers, {len(values)} different ones"
    few = _are_classes(values, len(targets))
    return Look(CLASS if few else NUMBER, said, not few or len(values) > MOST_CODES)


def _named(targets: Sequence[str]) -> Look:
    if odd := odd_among_numbers(targets):
        return Look(CLASS, odd, True)
    return Look(CLASS, f"{len(set(targets))} different labels", False, ANY_TEXT)


def odd_among_numbers(targets: Sequence[str]) -> str | None:
    """What is odd where nearly all targets are numbers of something measured; None where they are not, or all are."""
    numbers = [number for target in targets if (number := number_of(target)) is not None]
    share = len(numbers) / max(1, len(targets))
    if share == 1 or share < NEARLY_ALL or _are_classes(set(numbers), len(numbers)):
        return None
    odd = next(target for target in targets if number_of(target) is None)
    return f"{len(numbers)} of {len(targets)} targets are numbers, and {odd!r} is none"


def _are_classes(values: Collection[float], records: int) -> bool:
    """Whether these are all the different numbers of classes or grades rather than of something measured."""
    if all(value.is_integer() for value in values):
        return len(values) <= MOST_CODES or records >= RECORDS_PER_CODE * len(values)
    return len(values) <= MOST_GRADES
