"""Reporters: ways to tell about a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from headstart.specs.base import Spec
from headstart.specs.inputs import Preview

if TYPE_CHECKING:
    from headstart.events import Event


class RunView(Protocol):
    """What a reporter may see of a run: its folder, and samples by key where the data is at hand."""

    path: Path

    def payload(self, key: str) -> Any | None:
        """The sample `key` as its dataset gives it, for the run's own input kind; None where the data is not at
        hand, or is another by now."""

    def preview(self, key: str) -> Preview | None:
        """The sample `key` as a picture, sound or text for a report; None where `payload` is."""

    def detailed_preview(self, key: str) -> Preview | None:
        """The same, larger where the input kind can: for what is drawn over it."""


class Reporter(Protocol):
    """Hears every event of a run, live or replayed from its folder; writes only below `run.path / "report"`.

    One that holds something open, such as a live display, may have a `close()` too: called when the run ends, however.
    """

    def on_event(self, event: Event, run: RunView) -> None:
        """Told in order. An exception switches this reporter off; the run goes on."""


@dataclass(frozen=True)
class ReporterRequest:
    """What a reporter is built from. `interactive` is True where stderr is a terminal, `live` False on a replay."""

    options: Any
    interactive: bool
    live: bool


class ReporterBuild(Protocol):
    """Build target of a ReporterSpec; it must not import keras."""

    def __call__(self, request: ReporterRequest) -> Reporter:
        """See the class."""


@dataclass(frozen=True, kw_only=True)
class ReporterSpec(Spec):
    """A way to tell about a run. `default` ones are on when the user names none; those of them that write no files hear
    the Progress of `headstart predict` too, without a run that started."""

    build: str
    default: bool = False
    writes: tuple[str, ...] = ()
