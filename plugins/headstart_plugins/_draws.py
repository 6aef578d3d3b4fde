"""Draws as pure functions of (seed, epoch, key): from numbers in [0, 1) that are the same on every machine."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from headstart.documents import as_bytes
from headstart.specs import AugmentationRequest, Drawn

DIGITS = 9
"""Decimals that a computed strength keeps: powers and logarithms differ in their last bit from one C library to the
next."""


def numbers(name: str, seed: int, epoch: int, key: str) -> Iterator[float]:
    """Numbers in [0, 1) without end, from Philox keyed with a hash of the arguments.

    Made from raw bits (53 of 64), since numpy promises the raw stream but not that of `Generator.random`.
    """
    digest = hashlib.sha256(as_bytes(f"{name}\0{seed}\0{epoch}\0{key}")).digest()
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


class Keyed(ABC):
    """An augmentation that draws from numbers of its own; a subclass says what they mean."""

    name: ClassVar[str]

    def __init__(self, request: AugmentationRequest) -> None:
        self.options = request.options
        self.symmetries = request.symmetries

    def draw(self, seed: int, epoch: int, key: str) -> Drawn:
        """See `headstart.specs.Augmentation`."""
        return self.drawn(numbers(self.name, seed, epoch, key))

    @abstractmethod
    def drawn(self, numbers: Iterator[float]) -> Drawn:
        """What these numbers in [0, 1) mean; there is no end of them."""
