"""Labels that stand in the names of files: the setting `label_pattern`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headstart.errors import DataError, UsageError
from headstart.lists import below
from headstart_plugins._files.names import side_of

GROUP = "label"
MAX_CLASSES_LISTED = 4
USUAL = (
    r"([^\W\d_][^/]*?)[ ._(-]*[0-9]+[).]",
    r"([^\W\d_]+)[^/]*$",
)
"""How people name pictures by their class: `great_dane_12.jpg`, `cat (3).png`; then `cat_a-left.jpg`."""


@dataclass(frozen=True)
class LabelPattern:
    """A regular expression that finds a label in a name, in its group `label` or its only group."""

    expression: re.Pattern[str]
    group: str | int

    def find(self, name: str) -> str | None:
        """The label in `name`, a path with "/"; None where there is none."""
        found = self.expression.search(name)
        return found[self.group] or None if found else None


def label_pattern(text: str) -> LabelPattern:
    """The setting as it was written. Raises UsageError for no regular expression, and for one whose group is not
    clear."""
    example = r'such as "dataset.label_pattern=([a-z]+)_[0-9]+", which finds cat in cat_12.jpg'
    try:
        expression = re.compile(text)
    except re.error as exc:
        raise UsageError(f"label_pattern {text!r} is no regular expression: {exc}", hint=example) from exc
    if GROUP in expression.groupindex:
        return LabelPattern(expression, GROUP)
    if expression.groups != 1:
        message = f"label_pattern {text!r} has {expression.groups} groups; expected one, or one named {GROUP}"
        raise UsageError(message, hint=f"(?P<{GROUP}>...) names a group, (?:...) is none; {example}")
    return LabelPattern(expression, 1)


def labels_in(names: Sequence[str], pattern: LabelPattern, where: str) -> list[str]:
    """The label in each of `names`. Raises DataError for `where` with the count and the first few of those without
    one, or with spaces around it."""
    found = [pattern.find(name) for name in names]
    without = [
        repr(name) if label is None else f"{name!r} (gives {label!r})"
        for name, label in zip(names, found, strict=True)
        if label is None or label != label.strip()
    ]
    if without:
        raise DataError(
            f"{where}: label_pattern {pattern.expression.pattern!r} finds no label in "
            f"{len(without)} of {len(names)} names:{below(without)}",
            hint="mend the pattern so that it fits each name, or move away what has no label",
        )
    return [label for label in found if label is not None]


def usual_pattern(names: Sequence[str]) -> str | None:
    """A hint with the first of the usual patterns that finds a label in each of `names`: at least two labels, and two
    names for most of them. None where no such pattern does, or where it finds sides of a split or parts of numbers."""
    for text in USUAL:
        pattern = label_pattern(text)
        found = [label for label in map(pattern.find, names) if label is not None]
        labels = sorted(set(found))
        if len(found) < len(names) or all(map(side_of, labels)) or any(map(_is_part_of_numbers, found, names)):
            continue
        if 2 <= len(labels) <= max(2, len(names) // 2):
            listed = ", ".join(labels[:MAX_CLASSES_LISTED]) + (", ..." if len(labels) > MAX_CLASSES_LISTED else "")
            told = f"where the names tell the classes ({len(labels)}: {listed})"
            return f'{told}: --set "dataset.label_pattern={text}"'
    return None


def _is_part_of_numbers(label: str, name: str) -> bool:
    """Whether digits are in a label and before it, as in 0001_c1s1_000151.jpg: it is a camera or a time."""
    before = name.rpartition("/")[2].partition(label)[0]
    return any(map(str.isdigit, label)) and any(map(str.isdigit, before))
