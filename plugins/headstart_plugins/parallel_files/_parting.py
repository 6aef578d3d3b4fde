"""Where two files that should be aligned line by line part, from what translations share whatever the languages."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

MARKS = re.compile(r"\d+|[?!:;()\"%]|[.,](?=\s|$)")
SPREAD = 6.8
"""Variance of the letters of a translation per letter of its source (Gale & Church 1993)."""
SHARED = 1.5
"""How much a number or mark that both sides have, or one alone has, counts beside lengths, in nats."""
SURE = 3.0
"""In nats: by so much a cut must be better than none that it is told."""
MOST = 200_000
"""Lines of files that are looked into."""


def parting(first: Sequence[str], second: Sequence[str]) -> int | None:
    """The index of the first line, from 0, that is not beside its translation, where one side lacks lines in one place
    and what follows is shifted by as many; None where that cannot be told.

    The cut with the highest likelihood: lengths as Gale & Church (1993) model them, numbers and marks beside.
    """
    shift = len(first) - len(second)
    longer, shorter = (first, second) if shift > 0 else (second, first)
    count = len(shorter)
    if not shift or not count or count > MOST:
        return None
    ratio = max(1, sum(map(len, longer))) / max(1, sum(map(len, shorter)))
    kept = _likelihoods(longer[:count], shorter, ratio)
    moved = _likelihoods(longer[abs(shift) :], shorter, ratio)
    # Likelihood of a cut before line n: the lines before it as they are, the others shifted.
    gains = np.concatenate([[0.0], np.cumsum(kept - moved)])
    best = int(gains.argmax())
    against = max(gains[best] - gains[0], 0.0), max(gains[best] - gains[-1], 0.0)
    if best == count:
        return count if against[0] >= SURE else None
    return best if against[1] >= SURE else None


def _likelihoods(ours: Sequence[str], theirs: Sequence[str], ratio: float) -> np.ndarray:
    """Log likelihood (line,) float64, up to a constant, that two lines say the same."""
    scores = []
    for one, other in zip(ours, theirs, strict=True):
        off = (len(one) - len(other) * ratio) / np.sqrt(SPREAD * max(1.0, (len(one) + len(other)) / 2))
        marks = set(MARKS.findall(one)), set(MARKS.findall(other))
        apart = len(marks[0] ^ marks[1]) - len(marks[0] & marks[1])
        scores.append(-0.5 * min(off * off, 25.0) - SHARED * apart)
    return np.array(scores)
