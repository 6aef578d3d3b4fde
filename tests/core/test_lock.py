"""Two runs never write one folder, whatever happens to the first; with real processes and real signals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.errors import HeadstartError, UsageError
from headstart.runs import lock as lock_module
from headstart.runs.lock import LOCK, locked

SCRIPT = Path(__file__).with_name("lock_processes.py")
TURNS = 20


@pytest.fixture
def start():
    """Starts a process of the script; none stays behind."""
    started = []

    def start(what, folder, **environment):
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), what, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def run_races(processes):
    """What the two said in each turn."""
    said = []
    for turn in range(TURNS):
        for process in processes:
            process.stdin.write(f"{turn}\n")
            process.stdin.flush()
        # the refused one speaks and leaves a file, which frees the winner
        said.append([process.stdout.readline().strip() for process in processes])
    return said


def test_of_two_that_want_one_folder_exactly_one_gets_it_each_time(tmp_path, start):
    said = run_races([start("race", tmp_path) for _ in range(2)])

    assert [answers.count("won") for answers in said] == [1] * TURNS
    refused = [answer for answers in said for answer in answers if answer != "won"]
    assert all("is in use by another run (process " in answer and "lock_processes.py" in answer for answer in refused)


def test_the_planted_pid_file_lets_both_in(tmp_path, start):
    """The same race can be lost."""
    processes = [start("race_by_pid_file", tmp_path) for _ in range(2)]
    for process in processes:
        process.stdin.write("0\n")
        process.stdin.flush()
    assert [process.stdout.readline().strip() for process in processes] == ["won", "won"]


def test_a_killed_owners_lock_is_taken_over_and_its_name_is_told(tmp_path, start):
    first = start("hold", tmp_path)
    assert json.loads(first.stdout.readline()) is None
    with pytest.raises(UsageError, match=f"in use by another run .process {first.pid} on ") as caught, locked(tmp_path):
        pass
    assert caught.value.exit_code == 2
    assert "--out" in caught.value.hint

    first.send_signal(signal.SIGKILL)
    first.wait()
    with locked(tmp_path) as taken_over:
        assert taken_over.startswith(f"process {first.pid} on ")
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_forked_worker_does_not_keep_a_dead_owners_lock(tmp_path, start):
    first = start("hold_with_worker", tmp_path)
    worker = int(first.stdout.readline())
    try:
        first.send_signal(signal.SIGKILL)
        first.wait()
        os.kill(worker, 0)  # it lives
        with locked(tmp_path) as taken_over:
            assert taken_over.startswith(f"process {first.pid} on ")
    finally:
        os.kill(worker, signal.SIGKILL)


def test_nobody_is_ever_inside_with_another_though_owners_remove_the_file(tmp_path, start):
    entered = [int(process.communicate()[0]) for process in [start("churn", tmp_path, SECONDS="1") for _ in range(3)]]
    assert sum(entered) > 100


def test_a_lock_whose_file_was_removed_before_it_was_taken_is_not_believed(tmp_path, monkeypatch):
    """The moment between opening and locking, in which the owner before may remove the file."""
    real, opened = os.open, []

    def open_then_removed(path, *arguments, **more):
        descriptor = real(path, *arguments, **more)
        if not opened:
            os.unlink(path)
        opened.append(descriptor)
        return descriptor

    monkeypatch.setattr(os, "open", open_then_removed)
    with locked(tmp_path):
        monkeypatch.undo()
        assert len(opened) == 2
        assert (tmp_path / LOCK).exists()
        with pytest.raises(UsageError), locked(tmp_path):
            pass


def test_without_that_check_two_would_be_inside(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "_is_named", lambda path, descriptor: True)
    with locked(tmp_path):
        (tmp_path / LOCK).unlink()
        with locked(tmp_path):
            pass


def test_the_lock_of_a_folder_that_was_made_anew_is_left_to_its_owner(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with locked(folder):
        folder.rename(tmp_path / "moved")
        folder.mkdir()
        with locked(folder):
            assert (folder / LOCK).exists()
        (folder / LOCK).write_text("another's")
    assert (folder / LOCK).read_text() == "another's"


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"pid": 1}'])
def test_a_file_that_names_nobody_is_taken_over_in_silence(tmp_path, text):
    (tmp_path / LOCK).write_text(text)
    with locked(tmp_path) as taken_over:
        assert taken_over is None


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(HeadstartError, match=r"absent/\.lock: No such file"), locked(tmp_path / "absent"):
        pass


def test_a_full_disk_leaves_no_lock(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(HeadstartError, match="No space left"), locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    with locked(tmp_path):
        pass


def test_a_system_without_flock_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "fcntl", None)
    with pytest.raises(UsageError, match="no flock"), locked(tmp_path):
        pass
