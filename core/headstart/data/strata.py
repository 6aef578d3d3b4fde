"""Strata: what must be spread evenly over the sides of a split, for each form of target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from headstart.data.targets import labels_of, number_of
from headstart.specs import TargetForm

MOST_BINS = 10
RECORDS_PER_BIN = 10
ALL, UNLABELLED = "all", "no label"
"""Strata of targets that are labels: of every record, and of those without any. A label's begins with "label "."""


def strata_of(targets: Sequence[str], form: TargetForm) -> list[tuple[str, ...]]:
    """The strata of each target: its class; all, and each of its labels; all, and the quantile bin of its number.

    There are MOST_BINS bins, fewer where each would hold less than RECORDS_PER_BIN; equal numbers share one.
    """
    if form == "labels":
        return [_label_strata(target) for target in targets]
    if form == "number":
        return [(ALL, name) for name in _bins([number_of(target) or 0.0 for target in targets])]
    return [(target,) for target in targets]


def rarest(strata: Sequence[tuple[str, ...]]) -> list[str]:
    """Of each record's strata the one with the fewest records; of equal ones the first by name."""
    counts = Counter(name for names in strata for name in names)
    return [min(names, key=lambda name: (counts[name], name)) for names in strata]


def _label_strata(target: str) -> tuple[str, ...]:
    labels = sorted(set(labels_of(target)))
    return (ALL, *(f"label {label}" for label in labels)) if labels else (ALL, UNLABELLED)


def _bins(values: Sequence[float]) -> list[str]:
    count = min(MOST_BINS, max(1, len(values) // RECORDS_PER_BIN))
    below: dict[float, int] = {}
    for place, value in enumerate(sorted(values)):
        below.setdefault(value, place)
    return [f"bin {below[value] * count // len(values)}" for value in values]
