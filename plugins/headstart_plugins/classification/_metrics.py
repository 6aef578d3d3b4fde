"""Scores of single-label predictions, all from counts, and their 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from headstart_plugins._heads.evaluators import middle_95

NORMAL_95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""
RESAMPLES = 1000
TOP5_FROM = 6
"""top5_accuracy says something only where there are at least this many classes."""


def mean_loss(targets: np.ndarray, logits: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean negative log likelihood, in nats, of `targets` (batch,) under `logits` (batch, class), with `weights`
    (batch,) the weighted one."""
    log_probability = special.log_softmax(logits.astype(np.float64), axis=1)
    losses = -log_probability[np.arange(len(targets)), targets]
    return float(losses.mean() if weights is None else np.average(losses, weights=weights))


def softened_loss(targets: np.ndarray, logits: np.ndarray) -> float:
    """Mean cross-entropy of `targets` (sample,), in nats, each with 1 / (samples + 2) of it spread over all classes."""
    share = 1.0 / (len(targets) + 2)
    logs = special.log_softmax(logits, axis=1)
    return float(-np.mean((1.0 - share) * logs[np.arange(len(targets)), targets] + share * logs.mean(axis=1)))


def is_among_top(targets: np.ndarray, logits: np.ndarray, k: int) -> np.ndarray:
    """Whether each sample's class is among the `k` largest logits, (batch,) bool; of equal ones the first counts."""
    ranked = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    among: np.ndarray = np.any(ranked == targets[:, None], axis=1)
    return among


def f1_scores(correct: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """F1 a class, 2 correct / (true + predicted); NaN for a class that is neither present nor predicted."""
    return _ratio(2.0 * correct, true + predicted)


def macro_f1(correct: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 over the classes present or predicted, as `sklearn.metrics.f1_score(average="macro")`."""
    return float(np.nanmean(f1_scores(correct, true, predicted)))


def balanced_accuracy(correct: np.ndarray, true: np.ndarray) -> float:
    """Mean recall over the classes that are present, as `sklearn.metrics.balanced_accuracy_score`."""
    return float(np.nanmean(_ratio(correct, true)))


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """95 % score interval for a share of `hits` among `total` > 0 (Wilson 1927, JASA 22:209-212)."""
    share, z2 = hits / total, NORMAL_95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = NORMAL_95 / (1 + z2 / total) * np.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def bootstrap_intervals(counts: np.ndarray, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of macro_f1 and balanced_accuracy from 1000 stratified resamples.

    Each resample draws, with replacement, as many samples of each true class as there are: class sizes stay,
    as the stratified split keeps them. Drawing samples is drawing a multinomial count in each row of `counts`
    (true class, predicted class). Efron & Tibshirani 1993, chapter 13; like every percentile interval it
    shows no spread for a class without a single error.
    """
    correct, predicted = _resample(counts, np.random.default_rng(seed))
    true = counts.sum(axis=1)
    f1 = np.nanmean(f1_scores(correct, true[None, :], predicted), axis=1)
    recall = np.nanmean(_ratio(correct, true[None, :]), axis=1)
    return {"macro_f1": middle_95(f1), "balanced_accuracy": middle_95(recall)}


def describe_classes(counts: np.ndarray, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and support by class name; None where a ratio has nothing to divide by."""
    correct, true, predicted = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    columns = {
        "precision": _ratio(correct, predicted),
        "recall": _ratio(correct, true),
        "f1": f1_scores(correct, true, predicted),
    }
    return {
        name: {**{key: _plain(values[index]) for key, values in columns.items()}, "support": int(true[index])}
        for index, name in enumerate(classes)
    }


def _resample(counts: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Correct and predicted counts of each resample: two arrays (resample, class)."""
    correct = np.zeros((RESAMPLES, len(counts)))
    predicted = np.zeros((RESAMPLES, len(counts)))
    for true, row in enumerate(counts):
        if not row.any():
            continue
        given = np.flatnonzero(row)
        drawn = random.multinomial(row.sum(), row[given] / row.sum(), size=RESAMPLES)
        predicted[:, given] += drawn
        if row[true]:
            correct[:, true] = drawn[:, np.searchsorted(given, true)]
    return correct, predicted


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    ratio: np.ndarray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return ratio


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
