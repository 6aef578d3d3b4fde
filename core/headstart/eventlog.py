"""One run's events: appended to events.jsonl as they happen, and told to its reporters."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from headstart.atomic import explained
from headstart.errors import DataError, HeadstartError
from headstart.events import Event, Noted, Progress, RunResumed, RunStarted, Warned, from_line, to_line
from headstart.spans import span
from headstart.specs import Reporter, RunView

EVENTS = "events.jsonl"
LINE = b'{"event": "'
"""How each line of it begins."""
TICK = 0.5
"""Seconds between two Progress events of one activity; the last one of each is always told."""


class EventLog:
    """Use as a context manager; `emit` writes, flushes and tells. Reporters that raise are switched off and named."""

    def __init__(self, path: Path, reporters: Sequence[tuple[str, Reporter]], view: RunView) -> None:
        self._path = path
        self._reporters = list(reporters)
        self._view = view
        self._file: IO[str] | None = None
        self._told = 0.0
        self.found = 0
        """Bytes that the file had when it was opened: what an earlier process left."""
        self.count = 0
        """How many events of the file count, see `read_events`."""
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self._held: list[str] = []
        """What reporters did while they heard earlier events again; said after the next event."""

    def __enter__(self) -> EventLog:
        with explained(self._path):
            self._file = self._path.open("a", encoding="utf-8")
            self.found = os.fstat(self._file.fileno()).st_size
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close_all(self._reporters)
        if self._file is not None:
            with contextlib.suppress(OSError):  # each event was flushed; on a full disk, `emit` has said so
                self._file.close()

    def emit(self, event: Event) -> None:
        """Append and tell one event."""
        if self._file is None:
            raise ValueError("the event log is not open")
        if isinstance(event, Warned):
            self.warnings.append(event.message)
        elif isinstance(event, Noted):
            self.notes.append(event.message)
        with explained(self._path):
            self._file.write(to_line(event) + "\n")
            self._file.flush()
        self.count = 1 if isinstance(event, RunStarted) else self.count + 1
        self._reporters, failed = tell(event, self._reporters, self._view)
        held, self._held = self._held, []
        for message in [*held, *failed]:
            self.emit(Warned(message=message))

    def take_up(self, events: Sequence[Event]) -> None:
        """Go on after `events`, those of the file that still count; reporters hear them again. The next event must be
        the RunResumed that says so."""
        self.count = len(events)
        told = [event.message for event in events if isinstance(event, Warned)]
        self.warnings = [*(message for message in self.warnings if message not in told), *told]
        self.notes = [event.message for event in events if isinstance(event, Noted)]
        for event in events:
            self._reporters, failed = tell(event, self._reporters, self._view)
            self._held += [message for message in failed if message not in told]

    def sync(self) -> None:
        """Make durable what was said so far: a checkpoint that is about to be written counts on it."""
        if self._file is None:
            raise ValueError("the event log is not open")
        with explained(self._path):
            os.fsync(self._file.fileno())

    def warn(self, message: str, hint: str | None = None) -> None:
        """Emit a warning."""
        self.emit(Warned(message=message, hint=hint))

    def progress(self, activity: str, done: int, total: int, unit: str, **more: Any) -> None:
        """Emit a Progress event, at most one each half second but for the last."""
        moment = time.monotonic()
        if done < total and moment - self._told < TICK:
            return
        self._told = moment
        self.emit(Progress(activity=activity, done=done, total=total, unit=unit, **more))


class HeldWarnings:
    """Takes warnings before a run has started, and tells them once it has: reporters hear of the run first.

    Each is told once: a run that goes on finds again what it warned of when it began, and its log has that already.
    """

    def __init__(self) -> None:
        self._held: list[str] = []
        self._log: EventLog | None = None

    def __call__(self, message: str) -> None:
        """Tell `message` now, or when there is a log to tell it to."""
        if self._log is None:
            self._held.append(message)
        elif message not in self._log.warnings:
            self._log.warn(message)

    @contextlib.contextmanager
    def told_at_the_latest(self, log: EventLog) -> Iterator[None]:
        """Where what is inside fails, what was held is told to `log` before that is."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(HeadstartError):  # what failed matters more
                self.release(log)
            raise

    def release(self, log: EventLog) -> None:
        """Tell what was held, and everything from now on, to `log`."""
        self._log = log
        for message in self._held:
            self(message)


@span("reports")
def tell(
    event: Event, reporters: Sequence[tuple[str, Reporter]], view: RunView
) -> tuple[list[tuple[str, Reporter]], list[str]]:
    """Tell each reporter; returns those still on, and a message for each that raised."""
    still, failed = [], []
    for name, reporter in reporters:
        try:
            reporter.on_event(event, view)
            still.append((name, reporter))
        except (Exception, SystemExit) as exc:
            failed.append(f"reporter {name!r} was switched off at {type(event).__name__}: {type(exc).__name__}: {exc}")
    return still, failed


@span("reports")
def close_all(reporters: Sequence[tuple[str, Reporter]]) -> None:
    """Close those that hold something open."""
    for _name, reporter in reporters:
        close = getattr(reporter, "close", None)
        if close is not None:
            with contextlib.suppress(Exception, SystemExit):  # it must not hide how the run ended
                close()


def read_events(path: Path, size: int | None = None) -> list[Event]:
    """The events of a run, in order, without those of steps that were taken again when it went on; with `size` those in
    so many bytes at the file's beginning.

    A run begins with its RunStarted: where there are several, those before the last one came to no checkpoint.
    A last line cut short by a crash is left out. Raises DataError naming the line that is damaged, HeadstartError where
    there is no such file.
    """
    counted: list[Event] = []
    for event in read_all_events(path, size):
        if isinstance(event, RunStarted):
            counted.clear()
        elif isinstance(event, RunResumed):
            del counted[event.after :]
        counted.append(event)
    return counted


def tells_of_no_run(path: Path) -> bool:
    """Whether a file holds events and none of them is a RunStarted: those of a run that was killed before it began."""
    try:
        content = path.read_bytes()
        whole = content[: _end_of_events(content)]
        events = _events_in(whole, path)
    except (HeadstartError, OSError):
        return False
    cut = content[len(whole) :].rstrip(b"\0\n")
    return cut[: len(LINE)] == LINE[: len(cut)] and not any(isinstance(event, RunStarted) for event in events)


def drop_damaged_end(path: Path) -> int:
    """Take away the lines at the file's end that hold no event, so that the next one has a line of its own: one that a
    crash cut short, or what a loss of power left in place of several. Returns how many there were.

    An event of a kind that this version does not know is none of these. Where no line holds an event only a cut one
    goes, and zeros: such a file is damaged in another way.
    """
    content = _read(path)
    end = _end_of_events(content)
    if end < len(content):
        with explained(path), path.open("r+b") as file:
            file.truncate(end)
    return len(content[end:].splitlines())


def _end_of_events(content: bytes) -> int:
    """Bytes up to the end of the last line that holds an event; see `drop_damaged_end`."""
    whole = kept = content.rfind(b"\n") + 1
    while kept and not _holds_event(content, kept):
        kept = content.rfind(b"\n", 0, kept - 1) + 1
    return kept or (whole if content[:whole].strip(b"\0\n") else 0)


def _holds_event(content: bytes, end: int) -> bool:
    """Whether the line that ends there does."""
    line = content[content.rfind(b"\n", 0, end - 1) + 1 : end - 1]
    try:
        return "event" in dict(json.loads(line))
    except (ValueError, TypeError):
        return False


def read_all_events(path: Path, size: int | None = None) -> list[Event]:
    """Every event of a file, those too that were superseded; see `read_events`."""
    return _events_in(_read(path)[:size], path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise HeadstartError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


def _events_in(content: bytes, path: Path) -> list[Event]:
    events = []
    lines = content.split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last line end is empty or cut short
        try:
            events.append(from_line(line.decode("utf-8")))
        except (ValueError, TypeError, AttributeError, KeyError) as exc:
            raise DataError(
                f"{path}: line {number} is damaged: {exc}",
                hint="restore the file from a copy, or start a new run in another folder",
            ) from exc
    return events
