"""Level B of reporters: each bug turns red what asserts it, for that reason, and nothing else."""

from unittest import SkipTest

import pytest

from headstart.testing import ReporterTold

from .planting import assert_fails_only, changed, failures, named

pytestmark = pytest.mark.slow  # the kit on faulty plugins; on the built-in ones it runs in the quick suite

PLUGIN = """
from headstart.hookspecs import hookimpl
from headstart.specs import ReporterSpec

@hookimpl
def register_reporters():
    return [ReporterSpec(
        name="planted/it", summary="Tells.", build="planted_build:build",
        writes=("report/epochs.txt", "report/parts/*.txt"),
    )]
"""

BUILD = '''
import os
import sys
import time
from pathlib import Path

from headstart.events import EpochDone, PhaseDone, RunFinished, RunStarted, Warned

def build(request):
    return It(request)

class It:
    """The epochs in one file, and one more file a phase."""

    def __init__(self, request):
        self.request = request
        self.lines = []
        self.open = True

    def on_event(self, event, run):
        if isinstance(event, EpochDone):
            self.lines.append(f"{event.time} {event.phase} {event.epoch} {event.val}")
        if isinstance(event, RunFinished):
            self.write(run.path / "report")

    def write(self, folder):
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        (folder / "epochs.txt").write_text("\\n".join(self.lines))
        (folder / "parts" / "one.txt").write_text("one")

    def close(self):
        self.open = False
'''

BUILDS = "test_it_builds_live_and_again_in_terminals_and_logs"
WRITES = "test_it_writes_what_it_says_and_nothing_else"
LEAVES = "test_it_leaves_the_files_of_the_run_as_they_are"
NO_KERAS = "test_it_loads_no_keras"
PRINTS = "test_it_prints_nothing_to_stdout"
BREAKS = "test_it_survives_a_run_that_breaks_off"
WARNED = "test_it_survives_warnings_anywhere_and_samples_that_are_gone"
NO_TEST = "test_it_survives_a_run_without_a_test_side"
AGAIN = "test_told_again_it_writes_the_same"
CLOSED = "test_it_can_be_closed_twice"
ALONE = (WRITES, LEAVES, NO_KERAS, PRINTS)
TO_THE_END = (*ALONE, WARNED, NO_TEST, AGAIN, CLOSED)
TELLING = (*TO_THE_END, BREAKS)

NO_BACKEND = "No module named 'tensorflow'"
"""What importing Keras says in this process, where no backend was chosen."""
WITHOUT_BACKEND = dict.fromkeys((BUILDS, BREAKS, WARNED, NO_TEST, AGAIN, CLOSED), NO_BACKEND)
KERAS_JSON = "writes outside the run's folder: home/.keras/keras.json"

EVENT = "    def on_event(self, event, run):\n"
ONE = '        (folder / "parts" / "one.txt").write_text("one")\n'
CLOSE = "        self.open = False\n"
FINISHED = "        if isinstance(event, RunFinished):\n"

BUGS = {
    # name: ((old, new) in the build module, {test that must fail: why})
    "a file that `writes` does not name": (
        (ONE, ONE + '        (folder / "more.txt").write_text("more")\n'),
        {WRITES: r"it writes report/more.txt, which `writes` does not name\. Write only below run.path / 'report'"},
    ),
    "a file beside the report folder": (
        (ONE, ONE + '        (folder.parent / "more.txt").write_text("more")\n'),
        {WRITES: "it writes more.txt, which `writes` does not name"},
    ),
    "a file that does not come": (
        (ONE, ""),
        {WRITES: r"`writes` names report/parts/\*.txt, which a whole run did not bring\. Write it when RunFinished"},
    ),
    "a file in the working directory": (
        (ONE, ONE + '        Path("here.txt").write_text("here")\n'),
        {WRITES: "writes outside the run's folder: work/here.txt"},
    ),
    "a file in the home folder": (
        (ONE, ONE + '        (Path.home() / ".it").write_text("settings")\n'),
        {WRITES: "writes outside the run's folder: home/.it"},
    ),
    "a file of the run, altered": (
        (ONE, ONE + '        (folder.parent / "result.json").write_text("{}")\n'),
        {LEAVES: "it changes result.json of the run"},
    ),
    "a file of the run, gone": (
        (ONE, ONE + '        (folder.parent / "artefact" / "labels.json").unlink(missing_ok=True)\n'),
        {LEAVES: "it changes artefact/labels.json of the run"},
    ),
    "keras": (
        ("    return It(request)", "    import keras\n    return It(request)"),
        {NO_KERAS: "imports keras. Everything that it needs is in the events", WRITES: KERAS_JSON, **WITHOUT_BACKEND},
    ),
    "keras when the run ends": (
        (ONE, ONE + "        import keras\n"),
        {
            NO_KERAS: "imports keras",
            WRITES: KERAS_JSON,
            **{each: NO_BACKEND for each in (WARNED, NO_TEST, AGAIN, CLOSED)},
        },
    ),
    "prints": (
        (EVENT, EVENT + "        print(type(event).__name__)\n"),
        {PRINTS: r"it prints to stdout: 'Progress\\n.*Print to sys.stderr"},
    ),
    "a part of the file while the run goes on": (
        (
            FINISHED,
            '        (run.path / "report").mkdir(exist_ok=True)\n'
            '        (run.path / "report" / "part.tmp").write_text("part")\n'
            + FINISHED
            + '            (run.path / "report" / "part.tmp").unlink()\n',
        ),
        {BREAKS: "of a run that broke off it leaves report/part.tmp"},
    ),
    "needs the end when it is closed": (
        (CLOSE, "        self.lines[0]\n"),
        {BREAKS: r"close\(\) raises IndexError.*It may be called at any time", CLOSED: r"close\(\) raises IndexError"},
    ),
    "closes only once": (
        (CLOSE, "        del self.open\n"),
        {CLOSED: r"close\(\) raises AttributeError"},
    ),
    "needs the start before a warning": (
        (
            EVENT,
            EVENT + "        if isinstance(event, RunStarted):\n            self.name = event.run\n"
            "        if isinstance(event, Warned):\n            self.lines.append(self.name)\n",
        ),
        {WARNED: "in a live run, it raises at Warned: AttributeError.*It would be switched off there"},
    ),
    "needs a hint in a warning": (
        (EVENT, EVENT + "        if isinstance(event, Warned):\n            self.lines.append(event.hint.strip())\n"),
        dict.fromkeys(TELLING, "AttributeError: 'NoneType' object has no attribute 'strip'"),
    ),
    "needs samples": (
        (FINISHED, FINISHED + '            self.lines.append(run.preview("test/001.png").media_type)\n'),
        {WARNED: "raises at RunFinished: AttributeError: 'NoneType' object has no attribute 'media_type'"},
    ),
    "needs figures on test": (
        (FINISHED, FINISHED + "            self.lines.append(f\"{event.result['metrics']['test']['accuracy']}\")\n"),
        {NO_TEST: "in a live run, it raises at RunFinished: TypeError: 'NoneType' object is not subscriptable"},
    ),
    "needs answers on test": (
        (
            FINISHED,
            FINISHED + '            answers = (run.path / "predictions.csv").read_text().splitlines()\n'
            '            self.lines.append([line for line in answers if ",test," in line][0])\n',
        ),
        {NO_TEST: "in a live run, it raises at RunFinished: IndexError"},
    ),
    "the time of writing": (
        ('"\\n".join(self.lines)', "str(time.perf_counter_ns())"),
        {AGAIN: r"told again over its own files, report/epochs.txt differs from .*`replays = False` in TestPlanted"},
    ),
    "nothing when told again": (
        (FINISHED, "        if isinstance(event, RunFinished) and self.request.live:\n"),
        {AGAIN: "told again after they were removed, it brings or misses report/epochs.txt, report/parts/one.txt"},
    ),
    "adds when told again": (
        (
            '(folder / "epochs.txt").write_text("\\n".join(self.lines))',
            '(folder / "epochs.txt").open("a").write("\\n".join(self.lines))',
        ),
        {AGAIN: "told again over its own files, report/epochs.txt differs"},
    ),
    "raises when told again": (
        (EVENT, EVENT + "        if not self.request.live:\n            raise KeyError('live')\n"),
        {AGAIN: "in a run told again from its folder, it raises at RunStarted: KeyError: 'live'"},
    ),
    "raises": (
        (FINISHED, FINISHED + "            raise KeyError('accuracy')\n"),
        dict.fromkeys(TO_THE_END, "KeyError: 'accuracy'"),
    ),
    "ends the process": (
        (FINISHED, FINISHED + "            sys.exit(3)\n"),
        dict.fromkeys(TO_THE_END, "SystemExit: 3"),
    ),
    "does not build for a terminal": (
        (
            "    return It(request)",
            "    if request.interactive:\n        raise OSError('no terminal')\n    return It(request)",
        ),
        {
            BUILDS: "building it with interactive=True, live=False raises OSError: no terminal",
            BREAKS: "interactive=True",
            NO_TEST: "interactive=True",
        },
    ),
    "builds no reporter": (
        ("    def on_event", "    def hear"),
        dict.fromkeys((BUILDS, *TELLING), r"returned It\. Return an object with on_event|no attribute 'on_event'"),
    ),
}


def test_a_sound_reporter_passes(garden):
    garden.plant(PLUGIN, planted_build=BUILD)
    assert failures(named(ReporterTold)) == {}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_in_a_reporter_is_told_by_what_asserts_it(garden, bug):
    edit, expected = BUGS[bug]
    garden.plant(PLUGIN, planted_build=changed(BUILD, edit))
    assert_fails_only(named(ReporterTold), expected)


def test_a_reporter_whose_files_tell_the_time_can_say_so(garden):
    garden.plant(PLUGIN, planted_build=changed(BUILD, *[BUGS["the time of writing"][0]]))
    assert failures(named(ReporterTold, replays=False)) == {}


def test_a_reporter_that_writes_to_a_place_of_its_own_makes_its_options_from_one(garden):
    plugin = changed(
        PLUGIN,
        ("@hookimpl", OPTIONS + "\n@hookimpl"),
        ('build="planted_build:build",', 'build="planted_build:build", options=Options,'),
    )
    edit = (ONE, ONE + '        Path(self.request.options.place, "more.txt").write_text("more")\n')
    garden.plant(plugin, planted_build=changed(BUILD, edit))
    contract = named(ReporterTold, options_in=lambda self, folder: {"place": str(folder)})
    assert failures(contract) == {}


OPTIONS = """
from dataclasses import dataclass
from headstart.options import option

@dataclass(frozen=True)
class Options:
    place: str = option("", "A folder.")
"""


def test_a_reporter_that_needs_what_is_not_installed_is_skipped_with_the_reason(garden):
    garden.plant(PLUGIN, planted_build="import no_such_service")
    contract = named(ReporterTold, requires=("no_such_service.client",))
    assert failures(contract) == {}
    with pytest.raises(SkipTest, match=r"needs no_such_service.client, which is not installed"):
        getattr(contract(), BUILDS)()
