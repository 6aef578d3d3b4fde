"""The confusion matrix as a page shows it: cells with their colour, or the commonest confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 20
RIGHT, WRONG = (11, 111, 184), (209, 73, 91)


@dataclass(frozen=True)
class Cell:
    """A count, the share it is of its true class, and the colours it is shown in."""

    count: int
    share: float
    background: str
    ink: str


@dataclass(frozen=True)
class Confusion:
    """How often `target` was called `prediction`, of how many samples of `target`."""

    target: str
    prediction: str
    count: int
    support: int


def shade(matrix: Sequence[Sequence[int]]) -> list[list[Cell]]:
    """Cells (true class, predicted class): right answers blue, wrong ones red, deeper for a larger share."""
    return [
        [_cell(count, sum(row), right=true == predicted) for predicted, count in enumerate(row)]
        for true, row in enumerate(matrix)
    ]


def commonest(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> list[Confusion]:
    """The most frequent wrong answers, most frequent first."""
    found = [
        Confusion(classes[true], classes[predicted], count, sum(row))
        for true, row in enumerate(matrix)
        for predicted, count in enumerate(row)
        if count and true != predicted
    ]
    return sorted(found, key=lambda one: -one.count)[:MOST]


def _cell(count: int, support: int, *, right: bool) -> Cell:
    share = count / support if support else 0.0
    red, green, blue = RIGHT if right else WRONG
    depth = 0.12 + 0.88 * share if count else 0.0
    return Cell(count, share, f"rgba({red},{green},{blue},{depth:.2f})", "#fff" if depth > 0.55 else "inherit")
