"""Events are written as they happen, told to reporters that cannot harm a run, and read back as they were."""

import json

import pytest

from headstart.errors import DataError, HeadstartError
from headstart.eventlog import EventLog, read_events
from headstart.events import (
    CheckpointSaved,
    EpochDone,
    PhaseDone,
    PhaseStarted,
    Progress,
    RunFinished,
    RunStarted,
    Warned,
    from_line,
    to_line,
)
from headstart.runs.reporting import SampleView, replay

EVENTS = [
    RunStarted(
        time=1.5, run="runs/x", backend="jax", backbone="b", weights="none", task="t", strategy="s",
        primary_metric="accuracy", higher_is_better=True, classes=("a", "b", "\udcff"),
        samples={"train": 3}, parameters={"total": 4}, phases=("probe", "tune"),
    ),
    PhaseStarted(
        time=2.0, phase="probe", index=0, count=2, epochs=3, steps=9, solver="gradient", cut="head",
        trainable={"head": 3}, rates={"head": 1e-3}, cached=("low", "middle"),
    ),
    Progress(time=2.5, activity="train", done=3, total=9, unit="samples", metrics={"loss": 0.1 + 0.2}),
    EpochDone(
        time=3.0, phase="probe", epoch=1, epochs=3, train={"loss": 1.0}, val={"loss": 2.0}, rates={},
        seconds=0.1, best=True,
    ),
    CheckpointSaved(time=3.5, path="step.3", step=3, best=True),
    PhaseDone(
        time=4.0, phase="probe", best_epoch=1, best={"loss": 2.0}, reason="all epochs", frozen_verified=7, seconds=1
    ),
    Warned(time=4.5, message="mind\nthis", hint=None),
    RunFinished(time=5.0, result={"metrics": {"test": {"accuracy": None}}}),
]  # fmt: skip


class Heard:
    """A reporter that remembers, and raises where it is told to."""

    def __init__(self, error=None, at=Progress):
        self.events, self.error, self.at, self.closed = [], error, at, False

    def on_event(self, event, run):
        self.events.append(event)
        if self.error is not None and isinstance(event, self.at):
            raise self.error

    def close(self):
        self.closed = True
        if self.error is not None:
            raise self.error


def logged(path, *reporters):
    with EventLog(path, list(reporters), SampleView(path.parent, lambda: ({}, None))) as log:
        for event in EVENTS:
            log.emit(event)
    return log


def test_every_kind_is_read_back_as_it_was(tmp_path):
    logged(tmp_path / "events.jsonl")

    assert read_events(tmp_path / "events.jsonl") == EVENTS
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == len(EVENTS)


def test_a_number_that_is_not_finite_is_never_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_line(Progress(time=0.0, activity="train", done=1, total=1, unit="x", metrics={"loss": float("nan")}))
    with pytest.raises(ValueError, match="unknown event kind"):
        from_line(json.dumps({"event": "Invented"}))


@pytest.mark.parametrize("error", [ValueError("no terminal"), SystemExit(3)], ids=["error", "exit"])
def test_a_reporter_that_raises_is_switched_off_and_named_and_the_run_goes_on(tmp_path, error):
    broken, whole = Heard(error), Heard()
    log = logged(tmp_path / "events.jsonl", ("broken", broken), ("whole", whole))

    assert [type(event) for event in broken.events] == [RunStarted, PhaseStarted, Progress]
    warned = next(event for event in whole.events if isinstance(event, Warned))
    assert "'broken' was switched off at Progress" in warned.message
    assert [event for event in whole.events if event is not warned] == EVENTS
    assert warned in read_events(tmp_path / "events.jsonl")
    assert warned.message in log.warnings


def test_two_reporters_that_raise_even_at_warnings_end_alone(tmp_path):
    reporters = [("one", Heard(ValueError("x"))), ("two", Heard(ValueError("y"), at=Warned))]
    logged(tmp_path / "events.jsonl", *reporters)

    messages = [event.message for event in read_events(tmp_path / "events.jsonl") if isinstance(event, Warned)]
    assert len(messages) == 3
    assert "'one'" in messages[0]
    assert "'two'" in messages[1]


def test_reporters_are_closed_and_cannot_hide_how_the_run_ended(tmp_path):
    broken, whole = Heard(ValueError("x"), at=RunFinished), Heard()
    log = EventLog(tmp_path / "events.jsonl", [("broken", broken), ("whole", whole)], None)
    with pytest.raises(KeyboardInterrupt), log:  # noqa: PT012 - both are one story: it was heard, then it ended
        log.emit(EVENTS[0])
        raise KeyboardInterrupt

    assert broken.closed
    assert whole.closed
    assert read_events(tmp_path / "events.jsonl") == EVENTS[:1]


def test_a_last_line_cut_short_is_left_out_at_every_length(tmp_path):
    path = tmp_path / "events.jsonl"
    logged(path)
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for cut in range(1, last + 1):
        path.write_bytes(whole[:-cut])
        assert read_events(path) == EVENTS[:-1]


@pytest.mark.parametrize("line", ["{", "[]", '{"event": "Warned"}', '{"event": "Warned", "wrong": 1}', "\x00"])
def test_a_damaged_line_in_the_middle_is_named(tmp_path, line):
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join([to_line(EVENTS[0]), line, to_line(EVENTS[1])]) + "\n")
    with pytest.raises(DataError, match=r"events\.jsonl: line 2 is damaged"):
        read_events(path)


def test_no_events_at_all_is_said(tmp_path):
    with pytest.raises(HeadstartError, match="cannot be read: No such file"):
        read_events(tmp_path / "events.jsonl")


def test_progress_is_told_at_most_twice_a_second_but_always_at_its_end(tmp_path):
    with EventLog(tmp_path / "events.jsonl", [], None) as log:
        for done in range(1, 1001):
            log.progress("read", done, 1000, "samples")

    events = read_events(tmp_path / "events.jsonl")
    assert events[-1].done == 1000
    assert len(events) < 20


def test_a_replay_tells_the_same_events_again_and_lists_who_raised(tmp_path):
    logged(tmp_path / "events.jsonl")
    whole, broken = Heard(), Heard(ValueError("no"))
    failures = replay([("whole", whole), ("broken", broken)], SampleView(tmp_path, lambda: ({}, None)))

    assert whole.events == EVENTS
    assert len(failures) == 1
    assert "'broken'" in failures[0]


def test_a_full_disk_is_told_with_the_path(tmp_path):
    full = tmp_path / "events.jsonl"
    full.symlink_to("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    with pytest.raises(HeadstartError, match=r"cannot write .*events\.jsonl: No space left"):
        logged(full)
