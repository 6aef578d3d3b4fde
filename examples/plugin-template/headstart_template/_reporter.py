"""Writes report/epochs.csv."""

from __future__ import annotations

import csv

from headstart.events import EpochDone, Event, RunFinished
from headstart.specs import ReporterRequest, RunView

COLUMNS = ("phase", "epoch", "train loss", "val loss", "seconds")


def build(request: ReporterRequest) -> Table:
    """A reporter for one run, live or replayed from its folder."""
    return Table(request.options.separator)


class Table:
    """Gathers the epochs; writes them when the run has finished."""

    def __init__(self, separator: str) -> None:
        self._separator = separator
        self._rows: list[tuple[object, ...]] = []

    def on_event(self, event: Event, run: RunView) -> None:
        """Take one event. Below `run.path / "report"` is the only place to write."""
        if isinstance(event, EpochDone):
            losses = (event.train.get("loss"), event.val.get("loss"))
            self._rows.append((event.phase, event.epoch, *losses, event.seconds))
        if isinstance(event, RunFinished):
            folder = run.path / "report"
            folder.mkdir(exist_ok=True)
            with (folder / "epochs.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, delimiter=self._separator).writerows([COLUMNS, *self._rows])
