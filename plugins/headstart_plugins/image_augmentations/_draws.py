"""Numbers in [0, 1) from what a draw depends on, the same on every machine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import numpy as np

DIGITS = 9
"""Decimals that a computed strength keeps: powers and logarithms differ in their last bit from one C library to the
next."""


def numbers(name: str, seed: int, epoch: int, key: str) -> Iterator[float]:
    """Numbers in [0, 1) without end, from Philox keyed with a hash of the arguments.

    Made from raw bits (53 of 64), since numpy promises the raw stream but not that of `Generator.random`.
    """
    digest = hashlib.sha256(f"{name}\0{seed}\0{epoch}\0{key}".encode("utf-8", "surrogateescape")).digest()
    stream = np.random.Philox(key=int.from_bytes(digest[:16], "little"))
    while True:
        yield (int(stream.random_raw()) >> 11) / 2**53


def between(low: float, high: float, number: float) -> float:
    """`number` in [0, 1) brought to [low, high)."""
    return low + (high - low) * number


def beta(alpha: float, drawn: Iterator[float]) -> float:
    """A number in [0, 1] with the distribution Beta(alpha, alpha), by Joehnk's method (Metrika 8, 1964): x / (x + y) of
    x = u**(1/alpha), y = v**(1/alpha) where x + y <= 1. Takes more numbers the larger alpha is; meant for up to 2."""
    while True:
        first, second = math.pow(next(drawn), 1 / alpha), math.pow(next(drawn), 1 / alpha)
        if 0 < first + second <= 1:
            return round(first / (first + second), DIGITS)


def log_between(low: float, high: float, number: float) -> float:
    """`number` in [0, 1) brought to [low, high) so that its logarithm is evenly distributed."""
    return round(math.exp(between(math.log(low), math.log(high), number)), DIGITS)
