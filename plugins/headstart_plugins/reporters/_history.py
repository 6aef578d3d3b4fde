"""What a run said so far, gathered: the reporters that draw a whole picture read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from headstart.atomic import write_file
from headstart.documents import escaped
from headstart.events import EpochDone, Event, Noted, PhaseDone, PhaseStarted, RunFinished, RunStarted, Warned, WentBack
from headstart.specs import RunView


@dataclass
class PhaseHistory:
    """One phase: how it began, its epochs (or strengths) in order, and how it ended."""

    started: PhaseStarted
    epochs: list[EpochDone] = field(default_factory=list)
    done: PhaseDone | None = None

    @property
    def closed_form(self) -> bool:
        """True where the epochs are strengths of a closed-form path."""
        return any(epoch.strength is not None for epoch in self.epochs)

    @property
    def best(self) -> EpochDone | None:
        """The epoch whose weights were kept: the last that was marked as best."""
        return next((epoch for epoch in reversed(self.epochs) if epoch.best), None)


@dataclass
class History:
    """Events heard so far, by what they are about; a second RunStarted begins anew."""

    run: RunStarted | None = None
    phases: list[PhaseHistory] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    notes: list[Noted] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        """Add one event."""
        if isinstance(event, RunStarted):
            self.run = event
            self.phases.clear()
            self.warnings.clear()
            self.notes.clear()
        elif isinstance(event, PhaseStarted):
            again = f"{event.phase} x"  # its own trials too
            self.phases = [phase for phase in self.phases if not f"{phase.started.phase} x".startswith(again)]
            self.phases.append(PhaseHistory(event))
        elif isinstance(event, Warned):
            self.warnings.append(event)
        elif isinstance(event, Noted):
            self.notes.append(event)
        elif isinstance(event, EpochDone | PhaseDone):
            self._hear_phase(event)
        elif isinstance(event, WentBack):
            for phase in self.phases:
                if phase.started.phase == event.phase:  # those from there on are trained again, or never
                    phase.epochs = [epoch for epoch in phase.epochs if epoch.epoch < event.epoch]

    def _hear_phase(self, event: EpochDone | PhaseDone) -> None:
        phase = next((one for one in self.phases if one.started.phase == event.phase), None)
        whole = next((one for one in self.phases if event.phase.startswith(f"{one.started.phase} x")), None)
        if phase is None and whole is not None:  # it runs at several rates, with a history for each: `fine_tune x0.3`
            phase = PhaseHistory(replace(whole.started, phase=event.phase))
            self.phases.append(phase)
        if phase is None:
            return
        if isinstance(event, PhaseDone):
            phase.done = event
        else:
            phase.epochs = [epoch for epoch in phase.epochs if epoch.epoch != event.epoch]
            phase.epochs.append(event)


class ReportAtEnd:
    """A reporter that gathers events, and once the run has finished writes report/NAME: what `content` makes of them,
    of the event that ended it and of the run."""

    def __init__(self, name: str, content: Callable[[History, RunFinished, RunView], str]) -> None:
        self._name, self._content = name, content
        self._history = History()

    def on_event(self, event: Event, run: RunView) -> None:
        """Gather; at RunFinished, write."""
        self._history.hear(event)
        if isinstance(event, RunFinished):
            write_report(run, self._name, escaped(self._content(self._history, event, run)).encode())


def write_report(run: RunView, name: str, content: bytes) -> None:
    """Write report/NAME of a run."""
    folder = run.path / "report"
    folder.mkdir(exist_ok=True)
    write_file(folder / name, content)
