"""The steps of curves whose x axis counts the epochs of a whole run, so that those of its phases follow each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from headstart.events import EpochDone, Event, WentBack


@dataclass
class EpochSteps:
    """`last` is the number of the epoch that was finished last, from 1; 0 before any. Epochs that training went back
    behind are counted no more: those in their place have their numbers."""

    last: int = 0
    _first: dict[str, int] = field(default_factory=dict)

    def hear(self, event: Event) -> None:
        """Count on, or back."""
        if isinstance(event, EpochDone):
            if event.epoch == 1:
                self._first[event.phase] = self.last
            self.last += 1
        elif isinstance(event, WentBack) and event.phase in self._first:
            self.last = self._first[event.phase] + event.epoch - 1
