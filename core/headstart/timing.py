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
        self._running: dict[str, float] = {}  # when each began

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to `name`."""
        self._running[name] = time.monotonic()
        try:
            yield
        finally:
            self._sums[name] = self.seconds(name)
            del self._running[name]

    def seconds(self, name: str) -> float:
        """Seconds under `name` so far, those of a block that still runs among them."""
        running = time.monotonic() - self._running[name] if name in self._running else 0.0
        return self._sums.get(name, 0.0) + running

    def add(self, sums: Mapping[str, float]) -> None:
        """Count the seconds of an earlier process too: what its `sums` gave."""
        for name, seconds in sums.items():
            if name == TOTAL:
                self._started -= seconds
            else:
                self._sums[name] = self.seconds(name) + seconds

    def sums(self) -> dict[str, float]:
        """The seconds so far by name, and in all: what a checkpoint in the middle of a block keeps of it too."""
        return {**{name: self.seconds(name) for name in (*self._sums, *self._running)}, TOTAL: self.total}

    @property
    def total(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started
