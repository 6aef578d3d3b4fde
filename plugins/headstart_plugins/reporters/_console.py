"""The console reporter: live in a terminal, a plain line log elsewhere; always on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TextIO

from headstart.events import Progress, Warned
from headstart.specs import Reporter, ReporterRequest
from headstart_plugins.reporters import ConsoleOptions, _lines
from headstart_plugins.reporters import _phrases as say
from headstart_plugins.reporters._lines import LineConsole

LABEL = 12


def build(request: ReporterRequest) -> Reporter:
    """The console for this stderr. On a replay it draws everything but progress."""
    if request.interactive:
        from headstart_plugins.reporters._terminal import TerminalConsole

        return TerminalConsole(live=request.live)
    options: ConsoleOptions = request.options
    return PlainConsole(log_every=options.log_every, live=request.live)


class PlainConsole(LineConsole):
    """One line of text for each thing that happened; no control characters, no colours, no box drawing."""

    def __init__(self, *, log_every: float, live: bool, stream: TextIO | None = None) -> None:
        super().__init__(live=live)
        self._log_every, self._stream = log_every, stream
        self._told = 0.0

    def _show_activity(self, event: Progress, *, new: bool) -> None:
        if new:
            self._told = event.time
        if event.done < event.total and event.time - self._told >= self._log_every:
            self._told = event.time
            done = f"{say.count(event.done)} of {say.count(event.total)} {event.unit}"
            self._line(f"{_lines.activity_title(event)}: {done}")

    def _line(self, text: str, style: str = "") -> None:
        stream = self._stream or sys.stderr
        stream.write(text + "\n")
        stream.flush()

    def _header(self, rows: _lines.Rows) -> None:
        for label, text in rows:
            self._line(f"{label + ':':<{LABEL}} {text}")

    def _phase(self, title: str, rows: _lines.Rows) -> None:
        self._line(title)
        self._header(rows)

    def _warning(self, event: Warned) -> None:
        self._line(f"warning: {say.printable(event.message)}")
        if event.hint:
            self._line(f"  hint: {say.printable(event.hint)}")

    def _finish(self, result: Mapping[str, Any]) -> None:
        for name, value, interval in _lines.score_rows(result):
            self._line(f"{name} {value}" + (f", 95 % interval {interval}" if interval else ""))
        self._header(_lines.result_rows(result))
