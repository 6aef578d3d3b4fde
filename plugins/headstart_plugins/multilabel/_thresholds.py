"""From which probability on a label is given: chosen on val, with what it is worth there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from headstart.errors import DataError

HALF = 0.5


@dataclass(frozen=True)
class Threshold:
    """A label is given from the probability `threshold` on. The rest was measured on val: `positives` among it, and
    precision, recall and F1 at the threshold and at 0.5; None where there is nothing to divide by. As val chose the
    threshold too, its F1 there is optimistic; that of test, in the report, is not."""

    threshold: float
    positives: int
    precision: float | None
    recall: float | None
    f1: float | None
    precision_at_half: float | None
    recall_at_half: float | None
    f1_at_half: float | None


def choose_threshold(targets: np.ndarray, probability: np.ndarray) -> Threshold:
    """The threshold of the greatest F1 for one label; 0.5 where none is better, or where val has none of it.

    `targets` (row,) are 0 or 1. It lies halfway between two probabilities that were given; of several as good the one
    nearest to 0.5.
    """
    threshold = _best(targets > 0, probability.astype(np.float64)) if targets.any() else HALF
    at, half = (_scores(targets > 0, probability >= each) for each in (threshold, HALF))
    return Threshold(threshold, int(targets.sum()), *at, *half)


def _best(targets: np.ndarray, probability: np.ndarray) -> float:
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of each run of equal probabilities
    hits = np.cumsum(targets[order])[last]
    f1 = 2.0 * hits / (last + 1 + targets.sum())
    between = (ranked[last] + np.append(ranked[last][1:], 0.0)) / 2.0
    candidates = np.append(between, HALF)
    scores = np.append(f1, _scores(targets, probability >= HALF)[2] or 0.0)
    good = candidates[scores >= scores.max() - 1e-12]
    return float(good[np.argmin(np.abs(good - HALF))])


def _scores(targets: np.ndarray, given: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """Precision, recall and F1."""
    hits = int(np.sum(targets & given))
    wholes = int(given.sum()), int(targets.sum())
    precision, recall = (hits / whole if whole else None for whole in wholes)
    return precision, recall, 2 * hits / sum(wholes) if sum(wholes) else None


def described(labels: Sequence[str], thresholds: Sequence[Threshold]) -> dict[str, dict[str, Any]]:
    """Thresholds by label, as plain values."""
    return {label: asdict(each) for label, each in zip(labels, thresholds, strict=True)}


def stored_thresholds(document: Mapping[str, Any], labels: Sequence[str]) -> tuple[Threshold, ...]:
    """The thresholds in labels.json; none where there are none. Raises DataError for others than `described` gives."""
    found = document.get("thresholds")
    if found is None:
        return ()
    names = {field.name for field in fields(Threshold)}
    fits = isinstance(found, dict) and list(found) == list(labels)
    if not fits or not all(isinstance(each, dict) and set(each) == names for each in found.values()):
        raise DataError(f"labels must hold `thresholds` with {', '.join(sorted(names))} for each label")
    thresholds = tuple(Threshold(**each) for each in found.values())
    for label, each in zip(labels, thresholds, strict=True):
        if not isinstance(each.threshold, float) or not 0.0 <= each.threshold <= 1.0:
            raise DataError(f"the threshold of label {label!r} must be a number from 0 to 1, not {each.threshold!r}")
    return thresholds
