"""Scores of several labels a sample, and their 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headstart_plugins._heads.evaluators import RESAMPLES, f1_scores, middle_95, ratio

FEWEST = 100
"""Resamples of the bootstrap where there are very many samples and labels."""
MOST_CELLS = 2 * 10**8
"""Resamples x samples x labels, at most, as long as there are FEWEST resamples."""
CHUNK = 50
"""Resamples that are computed at a time."""


def mean_loss(targets: np.ndarray, logits: np.ndarray) -> float:
    """Mean sigmoid cross-entropy in nats of `targets` (batch, label), from 0 to 1, over samples and labels."""
    wide = logits.astype(np.float64)
    return float(np.mean(np.logaddexp(0.0, wide) - targets * wide))


def scores(targets: np.ndarray, logits: np.ndarray, given: np.ndarray) -> dict[str, float]:
    """Macro average precision, micro and macro F1, and subset accuracy of `given` (batch, label), 0 or 1."""
    once = np.ones((1, len(targets)))
    return {name: float(values[0]) for name, values in _weighted(targets, logits, given, once).items()}


def intervals(
    targets: np.ndarray, logits: np.ndarray, given: np.ndarray, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of `scores` from resamples of the samples (Efron & Tibshirani 1993, chapter 13)."""
    found: dict[str, list[np.ndarray]] = {}
    random = np.random.default_rng(seed)
    rows, labels = targets.shape
    count = int(np.clip(MOST_CELLS // (rows * labels), FEWEST, RESAMPLES))
    for start in range(0, count, CHUNK):
        drawn = random.integers(0, rows, (min(CHUNK, count - start), rows))
        weights = np.stack([np.bincount(each, minlength=rows) for each in drawn]).astype(np.float64)
        for name, values in _weighted(targets, logits, given, weights).items():
            found.setdefault(name, []).append(values)
    return {name: middle_95(np.concatenate(parts)) for name, parts in found.items()}


def average_precision(targets: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum over the ranks of precision times the rise of recall, as `sklearn.metrics.average_precision_score`.

    `targets` and `scores` are (row,) of one label; `weights` (resample, row) say how often each row counts. NaN for a
    resample without a positive.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # equal scores are one rank
    counted = np.cumsum(weights[:, order], axis=1)[:, ends]
    hits = np.cumsum(weights[:, order] * targets[order], axis=1)[:, ends]
    return precision_of_ranks(hits, counted)


def precision_of_ranks(hits: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Average precision (...) from how many positives, and how many rows, there are up to each rank (..., rank)."""
    precision = np.divide(hits, counted, out=np.zeros(hits.shape), where=counted > 0)
    rise = np.diff(hits, axis=-1, prepend=0.0)
    return ratio(np.sum(rise * precision, axis=-1), hits[..., -1])


def scores_of_counts(
    precisions: np.ndarray, hits: np.ndarray, given: np.ndarray, true: np.ndarray, *, same: np.ndarray
) -> dict[str, np.ndarray]:
    """Each score (resample,) from what is counted by label (resample, label) and the share of samples answered wholly
    right, `same` (resample,); labels that a resample lacks are left out of macro means, which are 0 without any."""
    together = np.maximum((given + true).sum(axis=1), 1.0)
    return {
        "macro_average_precision": _mean_of_known(precisions),
        "micro_f1": 2 * hits.sum(axis=1) / together,
        "macro_f1": _mean_of_known(f1_scores(hits, given, true)),
        "subset_accuracy": same,
    }


def _weighted(
    targets: np.ndarray, logits: np.ndarray, given: np.ndarray, weights: np.ndarray
) -> Mapping[str, np.ndarray]:
    """Each score (resample,)."""
    labels = range(targets.shape[1])
    precisions = np.stack([average_precision(targets[:, i], logits[:, i], weights) for i in labels], axis=1)
    same = np.all(targets == given, axis=1).astype(np.float64)
    hits, given_all, true = weights @ (targets * given), weights @ given, weights @ targets
    return scores_of_counts(precisions, hits, given_all, true, same=weights @ same / weights.sum(axis=1))


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis without NaN; 0 where all are."""
    known = ~np.isnan(values)
    mean: np.ndarray = np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean
