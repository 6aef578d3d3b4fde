"""Seconds by activity."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

TOTAL = "total"


class Stopwatch:
    """Adds up wall-clock seconds by name; `total` runs from its creation."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._sums: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to `name`."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._sums[name] = self.seconds(name) + time.monotonic() - started

    def seconds(self, name: str) -> float:
        """Seconds under `name` so far."""
        return self._sums.get(name, 0.0)

    def add(self, sums: Mapping[str, float]) -> None:
        """Count the seconds of an earlier process too: what its `sums` gave."""
        for name, seconds in sums.items():
            if name == TOTAL:
                self._started -= seconds
            else:
                self._sums[name] = self.seconds(name) + seconds

    def sums(self) -> dict[str, float]:
        """The seconds so far by name, and in all; what is being measured now is not in yet."""
        return {**self._sums, TOTAL: self.total}

    @property
    def total(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started
