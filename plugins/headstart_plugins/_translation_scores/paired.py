"""Two systems on the same sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart_plugins._heads.evaluators import middle_95
from headstart_plugins._segments import resampled_sums
from headstart_plugins._translation_scores.formulas import BLEU_COLUMNS, CHARACTERS
from headstart_plugins._translation_scores.scores import TranslationScores, scored

OF_REFERENCES = (1, *(BLEU_COLUMNS + 3 * order + 1 for order in range(CHARACTERS)))
"""Columns that depend on the reference alone."""


@dataclass(frozen=True)
class Compared:
    """What the second system scores above the first: the `difference`, its 95 % `interval`, and `p_value`, how often
    resamples that are alike by chance would be as far apart or farther."""

    difference: float
    interval: tuple[float, float]
    p_value: float


def compared(first: TranslationScores, second: TranslationScores, seed: int = 0) -> dict[str, Compared]:
    """Both systems on the same 1,000 resamples of the sentences: the paired bootstrap (Koehn 2004), by metric.

    The p-value is that of sacrebleu 2.6: of | |d*| - mean |d*| | one-sided, plus one in each count. Raises ValueError
    where the two have no sentence, or were not scored against the same references in the same order.
    """
    mine, others = first.counts.rows, second.counts.rows
    if not len(mine):
        raise ValueError("there is no sentence to compare two systems on")
    if mine.shape != others.shape or not np.array_equal(mine[:, OF_REFERENCES], others[:, OF_REFERENCES]):
        raise ValueError(
            f"two systems of {len(mine)} and {len(others)} sentences were not scored against the same references"
        )
    found, resampled = first.metrics(), scored(resampled_sums(mine, seed))
    against, resampled_others = second.metrics(), scored(resampled_sums(others, seed))
    return {name: _compared(against[name] - found[name], resampled_others[name] - resampled[name]) for name in found}


def _compared(difference: float, resampled: np.ndarray) -> Compared:
    """`resampled` (resample,) float64: the difference in each."""
    apart = np.abs(resampled)
    beyond = int(np.sum(apart - apart.mean() > abs(difference)))
    return Compared(difference, middle_95(resampled), (beyond + 1) / (len(apart) + 1))
