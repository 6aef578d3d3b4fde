"""Events are written as they happen, told to reporters that cannot harm a run, and read back as they were."""

import json

import pytest

from headstart.errors import DataError, HeadstartError
from headstart.eventlog import EventLog, HeldWarnings, drop_damaged_end, read_all_events, read_events
from headstart.events import (
    CheckpointSaved,
    EpochDone,
    Noted,
    PhaseDone,
    PhaseStarted,
    Progress,
    RunFinished,
    RunResumed,
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
    Noted(time=4.4, message="3 samples converted", hint="keep\nit"),
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
    with pytest.raises(ValueError, match="Warned has no `time`"):
        from_line(json.dumps({"event": "Warned", "message": "m"}))


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


def write_events(path, events):
    path.write_text("".join(to_line(event) + "\n" for event in events))


def warned(*messages):
    return [Warned(time=float(number), message=message) for number, message in enumerate(messages)]


def resumed(after):
    return RunResumed(time=9.0, phase="tune", step=12, after=after)


def test_events_of_steps_that_were_taken_again_do_not_count(tmp_path):
    """A run that was stopped twice: the second time it went on from before it had gone on the first time."""
    path, (a, b, c, d, e, f) = tmp_path / "events.jsonl", warned(*"abcdef")
    once, again = resumed(2), resumed(1)
    write_events(path, [a, b, c, once, d, e])
    assert read_events(path) == [a, b, once, d, e]

    write_events(path, [a, b, c, once, d, e, again, f])
    assert read_events(path) == [a, again, f]
    assert read_all_events(path) == [a, b, c, once, d, e, again, f]

    later = resumed(4)  # counted among those that count: a, b, once, d
    write_events(path, [a, b, c, once, d, e, later, f])
    assert read_events(path) == [a, b, once, d, later, f]


def test_a_cut_line_is_taken_away_so_that_the_next_event_has_a_line_of_its_own(tmp_path):
    path, (a, b, c) = tmp_path / "events.jsonl", warned(*"abc")
    write_events(path, [a, b])
    whole = path.read_bytes()
    assert drop_damaged_end(path) == 0
    assert path.read_bytes() == whole

    for cut in range(1, len(to_line(b)) + 1):
        path.write_bytes(whole[:-cut])
        assert drop_damaged_end(path) == 1
        with EventLog(path, [], None) as log:
            log.emit(c)
        assert read_events(path) == [a, c]

    path.write_bytes(whole[:-1])
    with EventLog(path, [], None) as log:
        log.emit(c)
    with pytest.raises(DataError, match="line 2 is damaged"):  # what would happen without it
        read_events(path)


def test_what_is_cut_before_the_first_line_end_leaves_an_empty_file(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": "Run')
    assert drop_damaged_end(path) == 1
    assert path.read_bytes() == b""
    assert drop_damaged_end(path) == 0


@pytest.mark.parametrize(
    ("end", "lines"),
    [
        (b"\0" * 40, 1),
        (b"\0" * 40 + b"\n", 1),
        (b'{"event": "War\n\xff\xfe\n\n{"ev', 4),
    ],
    ids=["zeros", "a line of zeros", "several"],
)
def test_lines_that_hold_no_event_are_taken_away_at_the_end(tmp_path, end, lines):
    path, (a, b, c) = tmp_path / "events.jsonl", warned(*"abc")
    write_events(path, [a, b])
    whole = path.read_bytes()
    path.write_bytes(whole + end)
    assert drop_damaged_end(path) == lines
    assert path.read_bytes() == whole
    with EventLog(path, [], None) as log:
        log.emit(c)
    assert read_events(path) == [a, b, c]


def test_damage_with_events_behind_it_stays_and_is_told_with_what_to_do(tmp_path):
    path, (a, b) = tmp_path / "events.jsonl", warned(*"ab")
    content = f"{to_line(a)}\n\0\0\n{to_line(b)}\n".encode()
    path.write_bytes(content)
    assert drop_damaged_end(path) == 0
    assert path.read_bytes() == content
    with pytest.raises(DataError, match="line 2 is damaged") as caught:
        read_events(path)
    assert "another folder" in caught.value.hint


def test_events_of_a_kind_that_this_version_does_not_know_are_no_damage(tmp_path):
    """A newer version wrote them; it is the checkpoints that say so."""
    path, (a,) = tmp_path / "events.jsonl", warned("a")
    content = (to_line(a) + "\n" + '{"event": "MemoryMeasured", "time": 1.0, "bytes": 7}\n').encode()
    path.write_bytes(content)
    assert drop_damaged_end(path) == 0
    assert path.read_bytes() == content


def test_a_file_in_which_no_line_holds_an_event_stays(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"Dinner\nat eight\n")
    assert drop_damaged_end(path) == 0
    assert path.read_bytes() == b"Dinner\nat eight\n"


def test_a_log_that_goes_on_tells_reporters_again_counts_on_and_keeps_warnings(tmp_path):
    path, (a, b, c, d) = tmp_path / "events.jsonl", warned(*"abcd")
    with EventLog(path, [], None) as log:
        for event in (a, b, c):
            log.emit(event)
        assert log.count == 3

    heard = Heard()
    with EventLog(path, [("heard", heard)], None) as log:
        log.take_up(read_events(path)[:2])
        assert heard.events == [a, b]
        assert log.count == 2
        assert log.warnings == ["a", "b"]
        log.emit(resumed(2))
        log.emit(d)
        assert log.count == 4

    assert heard.events == [a, b, resumed(2), d]
    assert read_events(path) == [a, b, resumed(2), d]
    assert log.count == len(read_events(path))
    assert read_all_events(path) == [a, b, c, resumed(2), d]


def test_a_reporter_that_raises_at_what_it_is_told_again_is_switched_off_and_named_once_the_run_goes_on(tmp_path):
    path, (a, b, c) = tmp_path / "events.jsonl", warned(*"abc")
    write_events(path, [a, b, c])
    broken, whole = Heard(ValueError("no"), at=Warned), Heard()
    with EventLog(path, [("broken", broken), ("whole", whole)], None) as log:
        log.take_up([a, b])
        log.emit(resumed(2))

    assert broken.events == [a]
    switched = whole.events[-1]
    assert "'broken' was switched off at Warned" in switched.message
    assert whole.events == [a, b, resumed(2), switched]
    assert read_events(path) == [a, b, resumed(2), switched]
    assert log.count == 4


def test_a_reporter_that_raises_each_time_it_is_told_is_named_once_in_all(tmp_path):
    path, (a, b) = tmp_path / "events.jsonl", warned(*"ab")
    with EventLog(path, [("broken", Heard(ValueError("no"), at=Warned))], None) as log:
        log.emit(a)
    begun, whole = read_events(path), Heard()
    assert len(begun) == 2
    with EventLog(path, [("broken", Heard(ValueError("no"), at=Warned)), ("whole", whole)], None) as log:
        log.take_up(begun)
        log.emit(resumed(2))
        log.emit(b)

    assert whole.events == read_events(path) == [*begun, resumed(2), b]
    assert log.warnings == ["a", begun[1].message, "b"]


def test_a_warning_from_before_a_log_went_on_that_is_among_its_own_counts_once(tmp_path):
    with EventLog(tmp_path / "events.jsonl", [], None) as log:
        for event in warned(*"xa"):
            log.emit(event)
        log.take_up(warned(*"aba"))
    assert log.warnings == [*"xaba"]


def test_notes_are_kept_and_those_of_a_run_that_goes_on_are_not_lost(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventLog(path, [], None) as log:
        for message in "ab":
            log.emit(Noted(message=message))
    with EventLog(path, [], None) as log:
        log.take_up(read_events(path))
        log.emit(resumed(2))
        assert (log.notes, log.warnings) == ([*"ab"], [])


def test_warnings_that_were_held_are_told_each_once_and_never_those_that_the_log_has(tmp_path):
    path, held = tmp_path / "events.jsonl", HeldWarnings()
    write_events(path, warned(*"ab"))
    with EventLog(path, [], None) as log:
        for message in "bcc":
            held(message)
        log.take_up(read_events(path))
        log.emit(resumed(2))
        held.release(log)
        for message in "acdd":
            held(message)

    assert log.warnings == [*"abcd"]
    assert [event.message for event in read_events(path) if isinstance(event, Warned)] == [*"abcd"]


def test_a_start_that_came_to_no_checkpoint_does_not_count_where_the_run_starts_over(tmp_path):
    """Else its epochs would stand twice in the history of the run."""
    path, (reading, again), (started, *begun) = tmp_path / "events.jsonl", warned("reading", "again"), EVENTS[:4]
    write_events(path, [reading, started, *begun])
    with EventLog(path, [], None) as log:
        for event in (again, started, *begun):
            log.emit(event)
        assert log.count == 4
    assert read_events(path) == [started, *begun]
    assert read_all_events(path) == [reading, started, *begun, again, started, *begun]


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
