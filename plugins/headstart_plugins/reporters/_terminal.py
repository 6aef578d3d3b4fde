"""The live console: rich panels, a row per epoch, and one progress line for what goes on right now."""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from headstart.events import Noted, Progress, Warned
from headstart_plugins.reporters import _lines
from headstart_plugins.reporters import _phrases as say
from headstart_plugins.reporters._lines import PlainConsole

WIDTH = 100


class _Pace(ProgressColumn):
    """Rate, time left and running metrics."""

    def render(self, task: Task) -> Text:
        """`94 samples/s, 12 s left, loss 0.3127`."""
        parts = []
        if task.speed:
            speed = f"{task.speed:.1f}" if task.speed < 10 else say.count(task.speed)
            parts.append(f"{speed} {task.fields['unit']}/s")
        if task.time_remaining is not None and not task.finished:
            parts.append(f"{say.duration(task.time_remaining)} left")
        parts += [f"{say.words(name)} {say.metric(value)}" for name, value in task.fields["metrics"].items()]
        return Text(", ".join(parts), style="cyan")


class TerminalConsole(PlainConsole):
    """What the plain console says, drawn on a terminal's stderr, and all progress, on a live line; RunFinished, `close`
    and the end of the process end that."""

    def __init__(self, *, live: bool, console: Console | None = None) -> None:
        super().__init__(live=live, log_every=0.0)
        self._console = console or Console(stderr=True, highlight=False)
        self._bar = ProgressBar(
            SpinnerColumn(),
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
            _Pace(),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None
        if live:
            atexit.register(self.close)

    def close(self) -> None:
        """End the live line and show the cursor again; safe to call twice."""
        self._end_activity()
        self._bar.stop()

    def _show_activity(self, event: Progress, *, new: bool) -> None:
        if new:
            title = _lines.activity_title(event) + (f"/{event.epochs}" if event.epochs else "")
            self._bar.start()
            self._task = self._bar.add_task(title, total=event.total, unit=event.unit, metrics=event.metrics)
        if self._task is not None:
            self._bar.update(self._task, completed=event.done, total=event.total, metrics=event.metrics, refresh=True)

    def _end_activity(self) -> None:
        super()._end_activity()
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._bar.stop()
        self._task = None

    def _line(self, text: str, style: str = "") -> None:
        self._end_activity()
        self._console.print(Text(text, style=style))

    def _header(self, rows: _lines.Rows) -> None:
        self._console.print(self._panel("headstart fit", self._grid(rows), "cyan"))

    def _phase(self, title: str, rows: _lines.Rows) -> None:
        self._console.print()
        self._console.print(Text(title, style="bold cyan"))
        self._console.print(self._grid(rows))

    def _said(self, event: Warned | Noted) -> None:
        kind, style = ("warning", "yellow") if isinstance(event, Warned) else ("note", "cyan")
        text = Text.assemble((f"{kind}: ", f"bold {style}"), (say.printable(event.message), style))
        if event.hint:
            text.append(f"\n  {say.printable(event.hint)}", style="dim")
        self._console.print(text)

    def _finish(self, result: Mapping[str, Any]) -> None:
        self.close()
        scores = Table.grid(padding=(0, 2))
        for position, (name, value, interval) in enumerate(_lines.score_rows(result)):
            style = "bold green" if position == 0 else ""
            scores.add_row(
                Text(name, style=style),
                Text(value, style=style),
                Text(f"95 %: {interval}" if interval else "", "dim"),
            )
        rows = self._grid(_lines.result_rows(result))
        self._console.print()
        self._console.print(self._panel("done", Group(scores, Text(), rows), "green"))

    def _grid(self, rows: _lines.Rows) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for label, text in rows:
            grid.add_row(Text(label, style="dim"), Text(text))
        return grid

    def _panel(self, title: str, body: Group | Table, style: str) -> Panel:
        width = min(WIDTH, self._console.width)
        return Panel(body, title=title, title_align="left", border_style=style, width=width, padding=(0, 1))
