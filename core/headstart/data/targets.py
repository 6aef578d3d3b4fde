"""Targets as text: their labels, their numbers, and which form all of them together have."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.errors import DataError
from headstart.specs import SEPARATOR, Records, TargetForm

MOST_GRADES = 4
"""Up to so many different numbers with fractions are grades, such as 0.5 and 1.0: classes."""
MOST_CODES = 20
"""Up to so many different whole numbers are names of classes, however few records each has."""
RECORDS_PER_CODE = 10.0
"""With so many records to each different whole number, those are names of classes too."""

NEARLY_ALL = 0.9
"""With so many numbers among the targets, the others are odd cells in a column of numbers rather than classes."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Told:
    """The form of the targets, the `reason` for it, and whether the user could have meant another one."""

    form: TargetForm
    reason: str
    could_differ: bool


def labels_of(target: str) -> tuple[str, ...]:
    """The labels that are joined in a target, without spaces around them; none in an empty one."""
    return tuple(label for part in target.split(SEPARATOR) if (label := part.strip()))


def number_of(target: str) -> float | None:
    """The finite number that a target is, written as in "-3.5" or "1e3"; None where it is something else."""
    text = target.strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None


def read_target(form: TargetForm, target: str, where: str) -> Any:
    """The value that a target is: the name of a class, a tuple of labels, or a float.

    Raises DataError naming `where` for what is no number.
    """
    if form == "class":
        return target
    if form == "labels":
        return labels_of(target)
    number = number_of(target)
    if number is None:
        raise DataError(f"{where}: the target {target!r} is no number", hint="write it as -3.5 or 1e3")
    return number


def tell_form(records: Records) -> Told:
    """The form of the records' targets: what their dataset says, or else what they look like.

    Labels: some targets are joined by SEPARATOR, and there are fewer labels than combinations of them. Numbers: all
    targets are, with fractions and more than MOST_GRADES different ones, or whole, more than MOST_CODES different ones
    and fewer than RECORDS_PER_CODE records to each. Everything else are classes, told of where nearly all are numbers.
    """
    if records.targets is not None:
        reason = f"the dataset says that its targets are of the form {records.targets!r}"
        return Told(records.targets, reason, False)
    targets = [record.target or "" for record in records.items]
    return _as_labels(targets) or _as_numbers(targets) or _as_classes(targets)


def _as_labels(targets: Sequence[str]) -> Told | None:
    combinations = set(targets)
    if not any(SEPARATOR in target for target in combinations):
        return None
    joined = sum(SEPARATOR in target for target in targets)
    labels = {label for target in combinations for label in labels_of(target)}
    if len(labels) >= len(combinations):
        reason = f"no label comes with others than its own in {joined} targets that hold {SEPARATOR!r}"
        return Told("class", reason, True)
    reason = f"{joined} of {len(targets)} targets are several of {len(labels)} labels, joined by {SEPARATOR!r}"
    return Told("labels", reason, True)


def _as_numbers(targets: Sequence[str]) -> Told | None:
    numbers = [number_of(target) for target in targets]
    values = {number for number in numbers if number is not None}
    if not targets or None in numbers:
        return None
    whole = "whole " if all(value.is_integer() for value in values) else ""
    said = f"all {len(targets)} targets are {whole}numbers, {len(values)} different ones"
    few = _are_classes(values, len(targets))
    return Told("class" if few else "number", said, not few or len(values) > MOST_CODES)


def _are_classes(values: Collection[float], records: int) -> bool:
    """Whether these are all the different numbers of classes or grades rather than of something measured."""
    if all(value.is_integer() for value in values):
        return len(values) <= MOST_CODES or records >= RECORDS_PER_CODE * len(values)
    return len(values) <= MOST_GRADES


def _as_classes(targets: Sequence[str]) -> Told:
    if odd := odd_among_numbers(targets):
        return Told("class", odd, True)
    return Told("class", f"{len(set(targets))} different labels", False)


def odd_among_numbers(targets: Sequence[str]) -> str | None:
    """What is odd where nearly all targets are numbers of something measured; None where they are not, or all are."""
    numbers = [number for target in targets if (number := number_of(target)) is not None]
    share = len(numbers) / max(1, len(targets))
    if share == 1 or share < NEARLY_ALL or _are_classes(set(numbers), len(numbers)):
        return None
    odd = next(target for target in targets if number_of(target) is None)
    return f"{len(numbers)} of {len(targets)} targets are numbers, and {odd!r} is none"
