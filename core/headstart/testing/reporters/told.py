"""Level B of reporters: told a recorded run, live, broken off and again, they write what they say and nothing else."""

from __future__ import annotations

import shutil
from fnmatch import fnmatchcase

from headstart.events import EpochDone, Event, PhaseDone, PhaseStarted, RunStarted, Warned
from headstart.testing.reporters.recorded_events import START, recorded_events
from headstart.testing.reporters.recorded_run import RecordedRun
from headstart.testing.reporters.subject import ReporterSubject
from headstart.testing.trees import own_place

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
