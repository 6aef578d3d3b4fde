"""A reporter as the contract tells it a run: in this process, and once in a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from headstart.events import Event
from headstart.specs import Reporter, ReporterRequest
from headstart.testing.contract import Contract, told
from headstart.testing.reporters.alone import Telling, contents, tell_alone
from headstart.testing.reporters.recorded_run import RecordedRun


class ReporterSubject(Contract):
    """Base of level B.

    `replays` is False for a reporter whose files differ where a run is told again from its folder (they hold the time
    of writing, or a number from a server). One that needs a place outside the run's folder makes its options from it
    in `options_in`.
    """

    replays: bool = True

    _kind = "reporters"

    def options_in(self, folder: Path) -> Mapping[str, Any]:
        """The values of its options; `folder` is empty, outside the run's, and may be written to."""
        return self.options

    def _alone(self) -> Telling:
        """A whole live run, told in a process of its own with a home folder of its own."""
        return self._once("alone", self._tell_alone)

    def _tell_alone(self) -> Telling:
        self._load(self.spec.build)
        telling = tell_alone(self.name, self.options_in)
        self._require(telling.error is None, f"told a whole run it fails: {telling.error}", "Any legal run must do.")
        return telling

    def _built(self, place: Path, *, interactive: bool, live: bool) -> Reporter:
        target = self._load(self.spec.build)
        folder = place / "options"
        folder.mkdir(exist_ok=True)
        request = ReporterRequest(self._chosen_options(self.options_in(folder)), interactive=interactive, live=live)
        try:
            built: Reporter = target(request)
        except Exception as exc:  # of the author's code
            self._fail(
                f"building it with interactive={interactive}, live={live} raises {told(exc)}",
                "Correct the build target.",
            )
        self._require(
            callable(getattr(built, "on_event", None)),
            f"its build target returned {type(built).__name__}",
            "Return an object with on_event(event, run).",
        )
        return built

    def _happens(self, run: RecordedRun, reporter: Reporter, events: Sequence[Event] | None = None) -> None:
        with self._surviving("a live run"):
            run.happen([_Marked(reporter)], events)

    def _again(self, run: RecordedRun, place: Path) -> None:
        reporter = self._built(place, interactive=False, live=False)
        with self._surviving("a run told again from its folder"):
            run.tell_again(_Marked(reporter))
        self._close(reporter)

    def _close(self, reporter: Reporter) -> None:
        close = getattr(reporter, "close", None)
        if close is None:
            return
        try:
            close()
        except Exception as exc:  # of the author's code
            self._fail(f"close() raises {told(exc)}", "It may be called at any time, and more than once.")

    @contextlib.contextmanager
    def _surviving(self, what: str) -> Iterator[None]:
        try:
            yield
        except _RaisedError as exc:
            self._fail(
                f"in {what}, it raises at {exc.event}: {told(exc.__cause__ or exc)}",
                "It would be switched off there; use only what the event and the run's folder hold by then.",
            )

    def _is_declared(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self.spec.writes)

    def _written(self, run: RecordedRun) -> dict[str, str]:
        return {path: digest for path, digest in contents(run.path).items() if path.startswith("report/")}

    def _compare(self, live: Mapping[str, str], again: Mapping[str, str], when: str) -> None:
        odd = sorted(live.keys() ^ again.keys())
        self._require(not odd, f"told again {when}, it brings or misses {', '.join(odd[:6])}", "Write the same files.")
        if not self.replays:
            return
        other = [path for path, digest in live.items() if again[path] != digest]
        self._require(
            not other,
            f"told again {when}, {', '.join(other[:6])} differs from what was written live",
            "Take times from event.time, and nothing from the clock or the process; where that cannot be, set "
            f"`replays = False` in {type(self).__name__}.",
        )


class _RaisedError(Exception):
    """A reporter raised at an event of this kind."""

    def __init__(self, event: str) -> None:
        super().__init__(event)
        self.event = event


class _Marked:
    """A reporter whose exceptions name the event."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def on_event(self, event: Event, run: Any) -> None:
        """See `headstart.specs.Reporter`."""
        try:
            self._reporter.on_event(event, run)
        except (Exception, SystemExit) as exc:
            raise _RaisedError(type(event).__name__) from exc
