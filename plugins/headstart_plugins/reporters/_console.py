"""The console reporter: live in a terminal, a plain line log elsewhere; always on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TextIO

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

    def __init__(self, *, live: bool, log_every: float, stream: TextIO | None = None) -> None:
        self._live, self._log_every, self._stream = live, log_every, stream
        self._metric = "accuracy"
        self._titles = self._training = ""
        self._activity: tuple[str, str | None, int | None] | None = None
        self._began = self._told = 0.0

    def on_event(self, event: Event, run: RunView) -> None:
        """Draw what `event` says."""
        if isinstance(event, RunStarted):
            self._metric = event.primary_metric
            self._header(_lines.header(event))
        elif isinstance(event, PhaseStarted):
            self._phase(_lines.phase_title(event), _lines.phase_rows(event))
            # They come below what is said while features are computed.
            self._titles, self._training = _lines.epoch_titles(event, self._metric), event.phase
        elif isinstance(event, Progress):
            if self._live:
                self._progress(event)
        elif isinstance(event, EpochDone):
            self._epoch(event)
        elif isinstance(event, PhaseDone):
            self._line(_lines.phase_end(event, self._metric), "dim")
        elif isinstance(event, WeightsAveraged):
            self._line(_lines.averaged(event, self._metric), "dim")
        elif isinstance(event, Warned):
            self._warning(event)
        elif isinstance(event, RunFinished):
            self._finish(event.result)

    def _epoch(self, event: EpochDone) -> None:
        """A row, below column titles where it is a phase's first, and below the name of its training where there are
        several, as of a soup."""
        if self._titles:
            self._line(self._titles, "dim")
        if event.phase != self._training:
            self._line(f"{say.words(event.phase)}:", "dim")
        self._titles, self._training = "", event.phase
        self._line(_lines.epoch_row(event, self._metric), "bold green" if event.best else "")

    def _progress(self, event: Progress) -> None:
        activity = (event.activity, event.phase, event.epoch)
        new = activity != self._activity
        if new:
            self._end_activity()
            self._activity, self._began = activity, event.time
        self._show_activity(event, new=new)
        if event.done >= event.total:
            self._end_activity()
            if event.activity != "train":
                self._line(_lines.activity_end(event, event.time - self._began), "dim")

    def _end_activity(self) -> None:
        self._activity = None

    def _show_activity(self, event: Progress, *, new: bool) -> None:
        """What goes on, `new` where it is something else than before, and how far it went."""
        if new:
            self._told = event.time
        if event.done < event.total and event.time - self._told >= self._log_every:
            self._told = event.time
            done = f"{say.count(event.done)} of {say.count(event.total)} {event.unit}"
            self._line(f"{_lines.activity_title(event)}: {done}")

    def _line(self, text: str, style: str = "") -> None:
        """One line of its own, in one of rich's styles where there are styles."""
        stream = self._stream or sys.stderr
        stream.write(text + "\n")
        stream.flush()

    def _header(self, rows: _lines.Rows) -> None:
        """What runs."""
        for label, text in rows:
            self._line(f"{label + ':':<{LABEL}} {text}")

    def _phase(self, title: str, rows: _lines.Rows) -> None:
        """A phase begins."""
        self._line(title)
        self._header(rows)

    def _warning(self, event: Warned) -> None:
        """The message, and the hint where there is one."""
        self._line(f"warning: {say.printable(event.message)}")
        if event.hint:
            self._line(f"  hint: {say.printable(event.hint)}")

    def _finish(self, result: Mapping[str, Any]) -> None:
        """Scores, and what to do next."""
        for name, value, interval in _lines.score_rows(result):
            self._line(f"{name} {value}" + (f", 95 % interval {interval}" if interval else ""))
        self._header(_lines.result_rows(result))
