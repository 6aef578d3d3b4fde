"""Texts that are near-copies of one another, found without comparing each with each.

MinHash (Broder 1997) with locality-sensitive hashing: the sets of three consecutive words of two texts have equal
minima under a random function as often as their Jaccard similarity says. Texts that agree in all four minima of one of
32 bands are compared exactly: a pair of similarity 0.7 is found with a probability of 1 - (1 - 0.7^4)^32 = 0.9998.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

SIMILAR = 0.7
"""Share of the runs of words of two texts that both have, from which on they are near-copies."""
RUN = 3
"""Words of a run."""
BANDS, ROWS = 32, 4
SINGULAR = re.compile(r"\S+@\S+|\S*://\S+|\S*\d\S*|_+")
"""What differs between copies of a mail: addresses, and whatever holds a digit."""
WORD = re.compile(r"[^\W\d_]+")


def near_copies(texts: Sequence[str]) -> list[int]:
    """For each text the first one of its group: those that are near-copies of it or of another of the group.

    Compared are lower-cased words without digits, punctuation and addresses. The same for the same texts.
    """
    runs = [_runs(text) for text in texts]
    first = list(range(len(texts)))

    def root(number: int) -> int:
        while first[number] != number:
            first[number] = first[first[number]]
            number = first[number]
        return number

    for one, other in _candidates(runs):
        low, high = sorted((root(one), root(other)))
        if low != high and _jaccard(runs[one], runs[other]) >= SIMILAR:
            first[high] = low
    return [root(number) for number in range(len(texts))]


def _runs(text: str) -> np.ndarray:
    """CRC-32 of every run of words, sorted, each once, uint64 (run,); of all words where there are fewer."""
    words = WORD.findall(SINGULAR.sub(" ", text.lower())) or [text]
    count = max(1, len(words) - RUN + 1)
    found = {zlib.crc32(" ".join(words[start : start + RUN]).encode()) for start in range(count)}
    return np.array(sorted(found), np.uint64)


def _candidates(runs: Sequence[np.ndarray]) -> Iterator[tuple[int, int]]:
    """Pairs that agree in a band, some more than once."""
    generator = np.random.default_rng(0)
    factors, offsets = generator.integers(0, 1 << 64, (2, BANDS * ROWS), dtype=np.uint64)
    # Multiply-add-shift (Dietzfelbinger 1996) of 32 bits: that products wrap around is what mixes them.
    minima = np.stack([(each[:, None] * factors + offsets >> np.uint64(32)).min(axis=0) for each in runs])
    for start in range(0, BANDS * ROWS, ROWS):
        buckets: defaultdict[bytes, list[int]] = defaultdict(list)
        for number, row in enumerate(minima[:, start : start + ROWS]):
            buckets[row.tobytes()].append(number)
        for same in buckets.values():
            yield from combinations(same, 2)


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
