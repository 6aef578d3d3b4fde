"""BLEU and chrF of many sets at once from their sums, for resampling: sacrebleu's own formulas take one at a time."""

from __future__ import annotations

import numpy as np

from headstart_plugins._heads.evaluators import ratio

ORDERS = 4
"""BLEU counts runs of up to so many tokens."""
BLEU_COLUMNS = 2 + 2 * ORDERS
"""Tokens of the hypotheses and of the references, then by order the runs found in the reference, and all runs."""
CHARACTERS = 6
"""chrF counts runs of up to so many characters."""
CHRF_COLUMNS = 3 * CHARACTERS
"""By order: runs of the hypotheses, of the references, and of both."""
BETA_SQUARED = 4.0
"""chrF weighs recall so much more than precision."""


def bleu_of(sums: np.ndarray) -> np.ndarray:
    """Corpus BLEU (...) float64 in 0..100 of `sums` (..., BLEU_COLUMNS), smoothed by "exp": as sacrebleu 2.6 computes
    it (Papineni et al. 2002; Chen & Cherry 2014, method 3).

    Where an order has no runs at all, as with sentences of one word, and where no run is found, it is 0.
    """
    given, true = sums[..., 0].astype(np.float64), sums[..., 1].astype(np.float64)
    correct, total = (sums[..., first : first + ORDERS].astype(np.float64) for first in (2, 2 + ORDERS))
    missed = np.cumsum(correct == 0, axis=-1)
    smoothed = np.where(correct == 0, 0.5**missed, correct)
    defined = (total > 0).all(axis=-1) & (correct > 0).any(axis=-1)
    logs = np.log(smoothed / np.where(total > 0, total, 1.0)).mean(axis=-1)
    brevity = np.minimum(0.0, 1.0 - true / np.where(given > 0, given, 1.0))
    score: np.ndarray = np.where(defined, 100.0 * np.exp(brevity + logs), 0.0)
    return score


def chrf_of(sums: np.ndarray) -> np.ndarray:
    """chrF (...) float64 in 0..100 of `sums` (..., CHRF_COLUMNS): as sacrebleu 2.6 computes it (Popović 2015), the F of
    mean precision and mean recall over those orders that both sides have."""
    given, true, both = (sums[..., place::3] for place in range(3))
    used = (given > 0) & (true > 0)
    orders = used.sum(axis=-1)
    precision, recall = (
        np.nan_to_num(ratio(np.where(used, ratio(both, whole), 0.0).sum(axis=-1), orders)) for whole in (given, true)
    )
    score = ratio((1.0 + BETA_SQUARED) * precision * recall, BETA_SQUARED * precision + recall)
    filled: np.ndarray = 100.0 * np.nan_to_num(score)
    return filled
