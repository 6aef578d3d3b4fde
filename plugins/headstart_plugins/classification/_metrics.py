"""Scores of single-label predictions, all from counts, and their 95 % intervals."""

from __future__ import annotations

import numpy as np
from scipy import special

from headstart_plugins._heads.evaluators import RESAMPLES, drawn_rows, f1_scores, middle_95, ratio

TOP5_FROM = 6
"""top5_accuracy says something only where there are at least this many classes."""


def mean_loss(targets: np.ndarray, logits: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean negative log likelihood, in nats, of `targets` (batch,) under `logits` (batch, class), with `weights`
    (batch,) the weighted one."""
    log_probability = special.log_softmax(logits.astype(np.float64), axis=1)
    losses = -log_probability[np.arange(len(targets)), targets]
    return float(losses.mean() if weights is None else np.average(losses, weights=weights))


def bootstrap_intervals(counts: np.ndarray, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of macro_f1 and balanced_accuracy from 1000 stratified resamples.

    Each resample draws, with replacement, as many samples of each true class as there are: class sizes stay,
    as the stratified split keeps them. Drawing samples is drawing a multinomial count in each row of `counts`
    (true class, predicted class). Efron & Tibshirani 1993, chapter 13; like every percentile interval it
    shows no spread for a class without a single error.
    """
    random = np.random.default_rng(seed)
    correct, predicted = np.zeros((2, RESAMPLES, len(counts)))
    for true, row in enumerate(counts):
        if not row.any():
            continue
        given = np.flatnonzero(row)
        drawn = random.multinomial(row.sum(), row[given] / row.sum(), size=RESAMPLES)
        predicted[:, given] += drawn
        if row[true]:
            correct[:, true] = drawn[:, np.searchsorted(given, true)]
    support = counts.sum(axis=1)
    f1 = np.nanmean(f1_scores(correct, predicted, support), axis=1)
    recall = np.nanmean(ratio(correct, support), axis=1)
    return {"macro_f1": middle_95(f1), "balanced_accuracy": middle_95(recall)}


def resampled(true: np.ndarray, predicted: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """accuracy, macro_f1 and balanced_accuracy (resample,) float64 of samples drawn with replacement, of whose classes
    `true` and `predicted` (sample,) are places."""
    hits, given, there = (np.zeros((RESAMPLES, classes)) for _ in range(3))
    for number, rows in enumerate(drawn_rows(len(true))):
        drawn, answered = true[rows], predicted[rows]
        hits[number] = np.bincount(drawn[drawn == answered], minlength=classes)
        given[number] = np.bincount(answered, minlength=classes)
        there[number] = np.bincount(drawn, minlength=classes)
    return {
        "accuracy": hits.sum(axis=1) / len(true),
        "macro_f1": np.nanmean(f1_scores(hits, given, there), axis=1),
        "balanced_accuracy": np.nanmean(ratio(hits, there), axis=1),
    }
