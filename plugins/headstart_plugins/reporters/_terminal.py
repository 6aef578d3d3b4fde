"""The live console: rich panels, a row per epoch, and one progress line for what goes on right now."""

from __future__ import annotations

import atexit

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

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
from headstart.specs import RunView
from headstart_plugins.reporters import _lines
from headstart_plugins.reporters import _phrases as say

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


class TerminalConsole:
    """Draws on a terminal's stderr; RunFinished, `close` and the end of the process end the live line."""

    def __init__(self, *, live: bool, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._live = live
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
        self._activity: _lines.Activity | None = None
        self._began = 0.0
        self._metric = "accuracy"
        self._titles = _lines.EpochTitles()
        if live:
            atexit.register(self.close)

    def on_event(self, event: Event, run: RunView) -> None:
        """Draw what `event` says."""
        if isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, RunStarted):
            self._metric = event.primary_metric
            self._console.print(self._panel("headstart fit", self._grid(_lines.header(event)), "cyan"))
        elif isinstance(event, PhaseStarted):
            self._phase(event)
        elif isinstance(event, EpochDone):
            self._epoch(event)
        elif isinstance(event, PhaseDone):
            self._hide_task()
            self._console.print(Text(_lines.phase_end(event, self._metric), style="dim"))
        elif isinstance(event, WeightsAveraged):
            self._hide_task()
            self._console.print(Text(_lines.averaged(event, self._metric), style="dim"))
        elif isinstance(event, Warned):
            self._warning(event)
        elif isinstance(event, RunFinished):
            self._finish(event)

    def close(self) -> None:
        """End the live line and show the cursor again; safe to call twice."""
        self._hide_task()
        self._bar.stop()

    def _progress(self, event: Progress) -> None:
        if not self._live:
            return
        activity = _lines.activity_of(event)
        if activity != self._activity or self._task is None:
            self._hide_task()
            self._activity, self._began = activity, event.time
            of = f"/{event.epochs}" if event.epochs else ""
            self._bar.start()
            self._task = self._bar.add_task(
                activity.title + of, total=event.total, unit=event.unit, metrics=event.metrics
            )
        if self._task is not None:
            self._bar.update(self._task, completed=event.done, total=event.total, metrics=event.metrics, refresh=True)
        if event.done >= event.total:
            self._hide_task()
            if event.activity != "train":
                line = _lines.activity_end(event, event.time - self._began)
                self._console.print(Text(line, style="dim"))

    def _hide_task(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._bar.stop()
        self._task = self._activity = None

    def _phase(self, event: PhaseStarted) -> None:
        self._console.print()
        self._console.print(Text(_lines.phase_title(event), style="bold cyan"))
        self._console.print(self._grid(_lines.phase_rows(event)))
        self._titles.begin(event, self._metric)

    def _epoch(self, event: EpochDone) -> None:
        self._hide_task()
        for line in self._titles.over(event):
            self._console.print(Text(line, style="dim"))
        row = _lines.epoch_row(event, self._metric)
        self._console.print(Text(row, style="bold green" if event.best else ""))

    def _warning(self, event: Warned) -> None:
        text = Text.assemble(("warning: ", "bold yellow"), (say.printable(event.message), "yellow"))
        if event.hint:
            text.append(f"\n  {say.printable(event.hint)}", style="dim")
        self._console.print(text)

    def _finish(self, event: RunFinished) -> None:
        self.close()
        scores = Table.grid(padding=(0, 2))
        for position, (name, value, interval) in enumerate(_lines.score_rows(event.result)):
            style = "bold green" if position == 0 else ""
            scores.add_row(
                Text(name, style=style),
                Text(value, style=style),
                Text(f"95 %: {interval}" if interval else "", "dim"),
            )
        rows = self._grid(_lines.result_rows(event.result))
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
