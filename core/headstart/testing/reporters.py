"""The contract of reporters, in levels: declared, told of a run."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from headstart.backend import VARIABLE, installed_backends
from headstart.events import EpochDone, Event, Noted, PhaseDone, PhaseStarted, RunStarted, Warned
from headstart.host.guard import describe
from headstart.specs import Reporter, ReporterRequest, RunView
from headstart.testing.contract import Contract, own_place, shared, told
from headstart.testing.declared import Declared
from headstart.testing.fresh_process import run_fresh
from headstart.testing.recorded_run import RecordedRun, recorded_events

UNWANTED = ("keras", "tensorflow")
HOMES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HEADSTART_HOME")


@dataclass(frozen=True)
class Telling:
    """What one reporter did: files it `created` in the run's folder, files of the run that it `altered`, files
    `elsewhere`, frameworks it `loaded`, and what it printed.
    """

    created: tuple[str, ...]
    altered: tuple[str, ...]
    elsewhere: tuple[str, ...]
    loaded: tuple[str, ...]
    stdout: str


def contents(root: Path) -> dict[str, str]:
    """{path below `root`: SHA-256} of every file."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


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


WRITES = "Write only below run.path / 'report', and name each file in `writes` of the spec."


class ReporterTold(Contract):
    """Tells the reporter a run of two phases that the kit recorded; needs no backend.

    `replays` is False for a reporter whose files differ where a run is told again from its folder (they hold the time
    of writing, or a number from a server). One that needs a place outside the run's folder makes its options from it
    in `options_in`.
    """

    replays: bool = True

    _kind = "reporters"

    def options_in(self, folder: Path) -> Mapping[str, Any]:
        """The values of its options; `folder` is empty, outside the run's, and may be written to."""
        return self.options

    def test_it_builds_live_and_again_in_terminals_and_logs(self) -> None:
        """All four combinations of `interactive` and `live`."""
        with own_place() as place:
            for interactive in (False, True):
                for live in (False, True):
                    self._built(place, interactive=interactive, live=live)

    def test_it_writes_what_it_says_and_nothing_else(self) -> None:
        """In the run's folder exactly `writes`; in the working directory and the home folder nothing."""
        telling = self._alone()
        self._require_none(
            (path for path in telling.created if not self._is_declared(path)),
            "it writes {odd}, which `writes` does not name",
            WRITES,
        )
        self._require_none(
            (path for path in self.spec.writes if not any(fnmatchcase(made, path) for made in telling.created)),
            "`writes` names {odd}, which a whole run did not bring",
            "Write it when RunFinished is heard, or take it out of `writes`.",
        )
        self._require_none(
            telling.elsewhere,
            "it writes outside the run's folder: {odd}",
            WRITES + " Caches belong where XDG_CACHE_HOME says.",
        )

    def test_it_leaves_the_files_of_the_run_as_they_are(self) -> None:
        """Events, results and the artefact are read by others, and hashed."""
        self._require_none(self._alone().altered, "it changes {odd} of the run", WRITES)

    def test_it_loads_no_keras(self) -> None:
        """`headstart report RUN` draws without a backend."""
        self._require_none(
            self._alone().loaded,
            "building it or telling it a run imports {odd}",
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
                self._tell(run, events[:stop], interactive=number % 2 == 1)
                self._require_none(
                    (path for path in _written(run) if not self._is_declared(path)),
                    "of a run that broke off it leaves {odd}",
                    WRITES + " Write in one step.",
                )

    def test_it_survives_warnings_anywhere_and_samples_that_are_gone(self) -> None:
        """A warning or note may come before the run has started; previews are None where the data is not at hand."""
        noisy: list[Event] = []
        for number, event in enumerate(recorded_events()):
            kind = Noted if number % 2 else Warned
            noisy += [kind(time=event.time, message=f"said {number}\x1b[31m", hint=None), event]
        with own_place() as place:
            self._tell(RecordedRun(place / "run", has_samples=False), noisy)

    def test_it_survives_a_run_without_a_test_side(self) -> None:
        """Where no sample was held out, `metrics`, `intervals` and `report` of the result have None for `test`."""
        for interactive in (False, True):
            with own_place() as place:
                run = RecordedRun(place / "run", has_test=False)
                self._tell(run, recorded_events(has_test=False), interactive=interactive)

    def test_told_again_it_writes_the_same(self) -> None:
        """`headstart report RUN` replaces what is there, and draws again what was removed."""
        with own_place() as place:
            run = RecordedRun(place / "run")
            self._tell(run, recorded_events())
            live = _written(run)
            self._tell_again(run)
            over = _written(run)
            shutil.rmtree(run.path / "report", ignore_errors=True)
            self._tell_again(run)
            anew = _written(run)
        self._compare(live, over, "over its own files")
        self._compare(live, anew, "after they were removed")

    def test_it_can_be_closed_twice(self) -> None:
        """`close` is called when the run ends, however; a reporter may have closed itself before."""
        with own_place() as place:
            for events in ((), recorded_events()):
                reporter = self._tell(RecordedRun(place / f"run-{len(events)}"), events)
                self._close(reporter)

    @shared
    def _alone(self) -> Telling:
        """A whole live run, told in a process of its own with a home folder of its own."""
        self._load(self.spec.build)
        root = self._place()
        run, untouched, home, work = (root / part for part in ("run", "untouched", "home", "work"))
        for folder in (home, work):
            folder.mkdir(exist_ok=True)
        homes = {variable: str(home / variable) for variable in HOMES}
        # A reporter is told in a process that has chosen its backend, so that importing Keras would not fail there.
        environment = {**homes, **_caches(), "HOME": str(home), VARIABLE: next(iter(installed_backends()), "")}
        offer = {**self._named(), "options": dict(self._options_in(root))}
        request = {"offer": offer, "folder": str(run)}
        fresh = run_fresh(_tell_run, request, folder=work, environment=environment)
        reply = fresh.reply or {"loaded": (), "error": fresh.error}
        self._require_sound("told a whole run it fails: ", reply["error"], "Any legal run must do.")
        RecordedRun(untouched).happen([])
        there, expected = contents(run), contents(untouched)
        return Telling(
            created=tuple(path for path in there if path not in expected),
            altered=tuple(path for path, digest in expected.items() if there.get(path) != digest),
            elsewhere=tuple(f"{part.name}/{path}" for part in (home, work) for path in contents(part)),
            loaded=tuple(reply["loaded"]),
            stdout=fresh.stdout,
        )

    def _options_in(self, place: Path) -> Mapping[str, Any]:
        folder = place / "options"
        folder.mkdir(exist_ok=True)
        return self.options_in(folder)

    def _built(self, place: Path, *, interactive: bool, live: bool) -> Reporter:
        options = self._chosen_options(self._options_in(place))
        request = ReporterRequest(options, interactive=interactive, live=live)
        built: Reporter = self._made(request, f"building it with interactive={interactive}, live={live}")
        self._require(
            callable(getattr(built, "on_event", None)),
            f"its build target returned {type(built).__name__}",
            "Return an object with on_event(event, run).",
        )
        return built

    def _tell(self, run: RecordedRun, events: Sequence[Event], *, interactive: bool = False) -> Reporter:
        """Tell a new reporter a live run, and close it."""
        reporter = self._built(run.path.parent, interactive=interactive, live=True)
        run.happen([_Marked(self, reporter, "a live run")], events)
        self._close(reporter)
        return reporter

    def _tell_again(self, run: RecordedRun) -> None:
        reporter = self._built(run.path.parent, interactive=False, live=False)
        run.tell_again(_Marked(self, reporter, "a run told again from its folder"))
        self._close(reporter)

    def _close(self, reporter: Reporter) -> None:
        if hasattr(reporter, "close"):
            with self._raising("close()", "It may be called at any time, and more than once."):
                reporter.close()

    def _is_declared(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self.spec.writes)

    def _compare(self, live: Mapping[str, str], again: Mapping[str, str], when: str) -> None:
        odd = sorted(live.keys() ^ again.keys())
        self._require_none(odd, f"told again {when}, it brings or misses {{odd}}", "Write the same files.")
        if self.replays:
            self._require_none(
                (path for path, digest in live.items() if again[path] != digest),
                f"told again {when}, {{odd}} differs from what was written live",
                "Take times from event.time, and nothing from the clock or the process; where that cannot be, set "
                f"`replays = False` in {self._title}.",
            )


class ReporterContract(ReporterDeclared, ReporterTold):
    """All that a reporter must do. Set `name`."""


@dataclass(frozen=True)
class _Marked:
    """A reporter whose exceptions name the event."""

    contract: ReporterTold
    reporter: Reporter
    what: str

    def on_event(self, event: Event, run: RunView) -> None:
        """See `headstart.specs.Reporter`."""
        try:
            self.reporter.on_event(event, run)
        except (Exception, SystemExit) as exc:  # of the author's code
            self.contract._fail(
                f"in {self.what}, it raises at {type(event).__name__}: {told(exc)}",
                "It would be switched off there; use only what the event and the run's folder hold by then.",
            )


def _written(run: RecordedRun) -> dict[str, str]:
    return {path: digest for path, digest in contents(run.path).items() if path.startswith("report/")}


def _tell_run(request: Mapping[str, Any]) -> dict[str, Any]:
    """In a fresh process: tell the reporter a whole live run. {"loaded": frameworks that are there afterwards,
    "error": what the reporter raised, or None}."""
    error = None
    try:
        contract = ReporterTold._again(request["offer"])
        reporter = contract._made(ReporterRequest(contract._chosen_options(), interactive=False, live=True))
        try:
            RecordedRun(Path(request["folder"])).happen([reporter])
        finally:
            contract._close(reporter)
    except (Exception, SystemExit) as exc:  # of the author's code
        error = describe(exc)
    return {"loaded": [name for name in UNWANTED if name in sys.modules], "error": error}
