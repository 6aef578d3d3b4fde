"""The console reporter: live in a terminal, a plain line log elsewhere; always on stderr."""

from __future__ import annotations

from typing import TextIO

from headstart.events import (
    EpochDone,
    Event,
    PhaseDone,
    PhaseStarted,
    Progress,
    RunFinished,
    RunStarted,
    Warned,
    WeightsAveraged,
)
from headstart.specs import Reporter, ReporterRequest, RunView
from headstart_plugins.reporters import ConsoleOptions, _lines
from headstart_plugins.reporters import _phrases as say

LABEL = 12


def build(request: ReporterRequest) -> Reporter:
    """The console for this stderr. On a replay it draws everything but progress."""
    if request.interactive:
        from headstart_plugins.reporters._terminal import TerminalConsole

        return TerminalConsole(live=request.live)
    options: ConsoleOptions = request.options
    return PlainConsole(log_every=options.log_every, live=request.live)


class PlainConsole:
    """One line of text for each thing that happened; no control characters, no colours, no box drawing."""

    def __init__(self, *, log_every: float, live: bool, stream: TextIO | None = None) -> None:
        self._log_every, self._live, self._stream = log_every, live, stream
        self._metric = "accuracy"
        self._titles = _lines.EpochTitles()
        self._activity: _lines.Activity | None = None
        self._began = self._told = 0.0

    def on_event(self, event: Event, run: RunView) -> None:
        """Write what `event` says."""
        if isinstance(event, RunStarted):
            self._metric = event.primary_metric
            self._rows(_lines.header(event))
        elif isinstance(event, PhaseStarted):
            self._write(_lines.phase_title(event))
            self._rows(_lines.phase_rows(event))
            self._titles.begin(event, self._metric)
        elif isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, EpochDone):
            self._epoch(event)
        elif isinstance(event, PhaseDone):
            self._write(_lines.phase_end(event, self._metric))
        elif isinstance(event, WeightsAveraged):
            self._write(_lines.averaged(event, self._metric))
        elif isinstance(event, Warned):
            self._warning(event)
        elif isinstance(event, RunFinished):
            self._finish(event)

    def _epoch(self, event: EpochDone) -> None:
        for line in (*self._titles.over(event), _lines.epoch_row(event, self._metric)):
            self._write(line)

    def _progress(self, event: Progress) -> None:
        if not self._live:
            return
        activity = _lines.activity_of(event)
        if activity != self._activity:
            self._activity, self._began, self._told = activity, event.time, event.time
        if event.done >= event.total:
            if event.activity != "train":
                self._write(_lines.activity_end(event, event.time - self._began))
            self._activity = None
        elif event.time - self._told >= self._log_every:
            self._told = event.time
            self._write(f"{activity.title}: {say.count(event.done)} of {say.count(event.total)} {event.unit}")

    def _warning(self, event: Warned) -> None:
        self._write(f"warning: {say.printable(event.message)}")
        if event.hint:
            self._write(f"  hint: {say.printable(event.hint)}")

    def _finish(self, event: RunFinished) -> None:
        for name, value, interval in _lines.score_rows(event.result):
            self._write(f"{name} {value}" + (f", 95 % interval {interval}" if interval else ""))
        self._rows(_lines.result_rows(event.result))

    def _rows(self, rows: _lines.Rows) -> None:
        for label, text in rows:
            self._write(f"{label + ':':<{LABEL}} {text}")

    def _write(self, line: str) -> None:
        import sys

        stream = self._stream or sys.stderr
        stream.write(line + "\n")
        stream.flush()
