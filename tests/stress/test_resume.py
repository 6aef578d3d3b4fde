"""R4, R5 and R13 in their small form: what is stopped is a process of its own, what goes on is this one.

`make stress` does the same in full, in processes of their own.
"""

import os

import pytest
from rig.repeats import WENT_ON, divergence_of
from rig.resumes import CODES, Point
from rig.runs import BASE, CASES, Stop, differences, events_of, fit, outcome_of
from rig.signals import problem_of as signal_problem

pytestmark = pytest.mark.backend
SLOW_ON_JAX = True


ON_JAX = os.environ.get("KERAS_BACKEND") == "jax"


def slow(*values, when=True):
    return pytest.param(*values, marks=[pytest.mark.slow] if when else [])


KILLED = [
    Point("lp_ft", Stop("Progress.train", 4)),  # after the first checkpoint within an epoch
    slow(Point("lp_ft", Stop("EpochDone", 3)), when=ON_JAX),  # before any checkpoint: it starts over
]
SIGNALLED = [
    Point("lp_ft", Stop("Progress.train", 4, "SIGTERM")),  # in the middle of an epoch
    slow(Point("lp_ft", Stop("PhaseDone", 1, "SIGINT")), when=ON_JAX),  # at a phase change
    slow(Point("dropout", Stop("EpochDone", 2, "SIGTERM"))),  # after evaluation
    slow(Point("lp_ft", Stop("Progress.evaluate", 1, "SIGINT"))),
]
PLANTED = [
    ("moments", Point("dropout", Stop("EpochDone", 2))),
    slow("steps", Point("dropout", Stop("Progress.train", 8, "SIGTERM"))),
    slow("seeds", Point("dropout", Stop("EpochDone", 2))),
]


def fit_here(headstart, out, case):
    return headstart(["fit", *BASE, *CASES[case], "--out", out])


def resume_here(headstart, out, plant=None):
    return headstart(["fit", "--resume", "--out", out], plant=plant)


def stopped(out, point, backend):
    done = fit(out, point.case, backend, point.stop.wanted)
    assert done.code == CODES[point.stop.signal], done.err
    return out


def what_differs_after(done, out, wanted):
    assert done.code == 0, done.err
    return differences(wanted, outcome_of(out))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture
def undisturbed(headstart, folder):
    """`undisturbed(case)`: what that run comes to; made once."""

    def undisturbed(case):
        if not (folder / case).exists():
            done = fit_here(headstart, folder / case, case)
            assert done.code == 0, done.err
        return outcome_of(folder / case)

    return undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("point", SIGNALLED, ids=str)
def test_a_run_that_was_signalled_ends_in_time_and_goes_on_to_the_same_bits(
    point, headstart, undisturbed, tmp_path, backend
):
    out = tmp_path / "run"
    assert signal_problem(out, backend, point) is None
    assert what_differs_after(resume_here(headstart, out), out, undisturbed(point.case)) is None
    assert len([event for event in events_of(out) if event["event"] == "RunResumed"]) == 1


@pytest.mark.parametrize("point", KILLED, ids=str)
def test_a_run_that_was_killed_goes_on_to_the_same_bits(point, headstart, undisturbed, tmp_path, backend):
    out = stopped(tmp_path / "run", point, backend)
    assert what_differs_after(resume_here(headstart, out), out, undisturbed(point.case)) is None


@pytest.mark.skipif(ON_JAX, reason="the state is the same; JAX compiles for each")
@pytest.mark.parametrize(("bug", "point"), PLANTED, ids=["moments", "steps", "seeds"])
def test_what_a_checkpoint_lacks_shows_in_the_bits(bug, point, headstart, undisturbed, tmp_path, backend):
    out = stopped(tmp_path / "run", point, backend)
    done = resume_here(headstart, out, plant=bug)
    assert "history" in (what_differs_after(done, out, undisturbed(point.case)) or "nothing differs")


def test_events_are_durable_before_a_checkpoint_that_counts_them(headstart, tmp_path, monkeypatch):
    """Else a loss of power could leave a checkpoint that goes on after events which nobody finds."""
    synced, real = [], os.fsync

    def fsync(descriptor):
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert fit_here(headstart, tmp_path / "run", "dropout").code == 0
    ours = [path for path in synced if "/checkpoints/" in path or path.endswith("events.jsonl")]
    saves = [place for place, path in enumerate(ours) if "/.step." in path and "/.step." not in ours[place - 1]]
    assert len(saves) > 3
    assert all(ours[place - 1].endswith("events.jsonl") for place in saves)


def test_training_stops_at_the_first_loss_that_is_no_number(tmp_path, backend):
    assert divergence_of(tmp_path / "run", backend) is None


def test_a_step_that_does_not_look_is_seen_to_go_on(tmp_path, backend):
    assert divergence_of(tmp_path / "run", backend, "deaf").startswith(WENT_ON)
