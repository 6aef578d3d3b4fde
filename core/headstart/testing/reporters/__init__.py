"""The contract of reporters, in levels: declared, told of a run."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from headstart.backend import VARIABLE, installed_backends
from headstart.events import EpochDone, Event, PhaseDone, PhaseStarted, RunStarted, Warned
from headstart.specs import Reporter, ReporterRequest
from headstart.testing.contract import Contract, shared, told
from headstart.testing.declared import Declared
from headstart.testing.fresh_process import run_fresh
from headstart.testing.reporters.recorded_run import START, RecordedRun, recorded_events
from headstart.testing.trees import own_place

HOMES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HEADSTART_HOME")


@dataclass(frozen=True)
class Telling:
    """What one reporter did: files it `created` in the run's folder, files of the run that it `altered`, files
    `elsewhere`, frameworks it `loaded`, what it printed, and what it raised.
    """

    created: tuple[str, ...]
    altered: tuple[str, ...]
    elsewhere: tuple[str, ...]
    loaded: tuple[str, ...]
    stdout: str
    error: str | None


def tell_alone(name: str, options_in: Callable[[Path], Mapping[str, Any]]) -> Telling:
    """Tell the reporter `name` a live run; `options_in` gets a folder outside the run's where anything may be put."""
    with tempfile.TemporaryDirectory(prefix="headstart-") as place:
        root = Path(place).resolve()
        run, untouched = root / "run", root / "untouched"
        free, home, work = (_made(root / part) for part in ("free", "home", "work"))
        request = {"name": name, "options": dict(options_in(free)), "folder": str(run)}
        homes = {variable: str(home / variable) for variable in HOMES}
        # A reporter is told in a process that has chosen its backend, so that importing Keras would not fail there.
        environment = {**homes, **_caches(), "HOME": str(home), VARIABLE: next(iter(installed_backends()), "")}
        told = run_fresh("headstart.testing.reporters.telling", request, folder=work, environment=environment)
        RecordedRun(untouched).happen([])
        there, expected = contents(run), contents(untouched)
        reply = told.reply or {"loaded": (), "error": told.error}
        return Telling(
            created=tuple(path for path in there if path not in expected),
            altered=tuple(path for path, digest in expected.items() if there.get(path) != digest),
            elsewhere=tuple(f"{part.name}/{path}" for part in (home, work) for path in contents(part)),
            loaded=tuple(reply["loaded"]),
            stdout=told.stdout,
            error=reply["error"],
        )


def contents(root: Path) -> dict[str, str]:
    """{path below `root`: SHA-256} of every file."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@lru_cache(maxsize=1)
def _caches() -> dict[str, str]:
    """Where libraries keep what they can compute again (matplotlib: which fonts there are); once a process."""
    folder = tempfile.mkdtemp(prefix="headstart-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {"XDG_CACHE_HOME": folder, "MPLCONFIGDIR": f"{folder}/matplotlib", "HEADSTART_CACHE": folder}


class ReporterDeclared(Declared):
    """The spec of a reporter is complete."""

    _kind = "reporters"

    def test_what_it_writes_lies_in_the_report_folder(self) -> None:
        """`writes` names files relative to the run's folder, below report/."""
        for path in self.spec.writes:
            parts = PurePosixPath(path).parts
            self._require(
                parts[:1] == ("report",) and len(parts) > 1 and ".." not in parts and "\\" not in path,
                f"writes names {path!r}",
                "Name each file below report/, as in report/table.csv; a * stands for what differs from run to run.",
            )


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

    @shared
    def _alone(self) -> Telling:
        """A whole live run, told in a process of its own with a home folder of its own."""
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


WRITES = "Write only below run.path / 'report', and name each file in `writes` of the spec."


class ReporterTold(ReporterSubject):
    """Tells the reporter a run of two phases that the kit recorded; needs no backend."""

    def test_it_builds_live_and_again_in_terminals_and_logs(self) -> None:
        """All four combinations of `interactive` and `live`."""
        with own_place() as place:
            for interactive in (False, True):
                for live in (False, True):
                    self._built(place, interactive=interactive, live=live)

    def test_it_writes_what_it_says_and_nothing_else(self) -> None:
        """In the run's folder exactly `writes`; in the working directory and the home folder nothing."""
        telling = self._alone()
        odd = [path for path in telling.created if not self._is_declared(path)]
        self._require(not odd, f"it writes {', '.join(odd[:6])}, which `writes` does not name", WRITES)
        absent = [path for path in self.spec.writes if not any(fnmatchcase(made, path) for made in telling.created)]
        self._require(
            not absent,
            f"`writes` names {', '.join(absent)}, which a whole run did not bring",
            "Write it when RunFinished is heard, or take it out of `writes`.",
        )
        self._require(
            not telling.elsewhere,
            f"it writes outside the run's folder: {', '.join(telling.elsewhere[:6])}",
            WRITES + " Caches belong where XDG_CACHE_HOME says.",
        )

    def test_it_leaves_the_files_of_the_run_as_they_are(self) -> None:
        """Events, results and the artefact are read by others, and hashed."""
        altered = self._alone().altered
        self._require(not altered, f"it changes {', '.join(altered[:6])} of the run", WRITES)

    def test_it_loads_no_keras(self) -> None:
        """`headstart report RUN` draws without a backend."""
        loaded = self._alone().loaded
        self._require(
            not loaded,
            f"building it or telling it a run imports {', '.join(loaded)}",
            "Everything that it needs is in the events and the run's folder.",
        )

    def test_it_prints_nothing_to_stdout(self) -> None:
        """stdout is data: `headstart fit --json` prints one document there."""
        printed = self._alone().stdout.strip()
        self._require(not printed, f"it prints to stdout: {printed[:200]!r}", "Print to sys.stderr.")

    def test_it_survives_a_run_that_breaks_off(self) -> None:
        """Events may end anywhere; then `close` is called, where there is one."""
        events = recorded_events()
        # Before anything, after the first of each kind that matters, and just before the end.
        found = {0, len(events) - 1}
        for kind in (RunStarted, PhaseStarted, EpochDone, PhaseDone):
            found |= {1 + next(i for i, event in enumerate(events) if isinstance(event, kind))}
        last = max(i for i, event in enumerate(events) if isinstance(event, EpochDone))
        for number, stop in enumerate(sorted(found | {last})):
            with own_place() as place:
                run = RecordedRun(place / "run")
                reporter = self._built(place, interactive=number % 2 == 1, live=True)
                self._happens(run, reporter, events[:stop])
                self._close(reporter)
                odd = [path for path in self._written(run) if not self._is_declared(path)]
            self._require(
                not odd, f"of a run that broke off it leaves {', '.join(odd[:6])}", WRITES + " Write in one step."
            )

    def test_it_survives_warnings_anywhere_and_samples_that_are_gone(self) -> None:
        """A warning may come before the run has started; previews are None where the data is not at hand."""
        noisy: list[Event] = []
        for number, event in enumerate(recorded_events()):
            noisy += [Warned(time=START, message=f"warning {number}\x1b[31m", hint=None), event]
        with own_place() as place:
            reporter = self._built(place, interactive=False, live=True)
            self._happens(RecordedRun(place / "run", has_samples=False), reporter, noisy)
            self._close(reporter)

    def test_told_again_it_writes_the_same(self) -> None:
        """`headstart report RUN` replaces what is there, and draws again what was removed."""
        with own_place() as place:
            run = RecordedRun(place / "run")
            reporter = self._built(place, interactive=False, live=True)
            self._happens(run, reporter)
            self._close(reporter)
            live = self._written(run)
            self._again(run, place)
            over = self._written(run)
            shutil.rmtree(run.path / "report", ignore_errors=True)
            self._again(run, place)
            anew = self._written(run)
        self._compare(live, over, "over its own files")
        self._compare(live, anew, "after they were removed")

    def test_it_can_be_closed_twice(self) -> None:
        """`close` is called when the run ends, however; a reporter may have closed itself before."""
        with own_place() as place:
            for events in ((), recorded_events()):
                reporter = self._built(place, interactive=False, live=True)
                self._happens(RecordedRun(place / f"run-{len(events)}"), reporter, events)
                self._close(reporter)
                self._close(reporter)


class ReporterContract(ReporterDeclared, ReporterTold):
    """All that a reporter must do. Set `name`."""
