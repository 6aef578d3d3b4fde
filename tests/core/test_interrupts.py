"""What asks for the end is heard between steps, and where nobody listens, the process ends all the same."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from headstart.interrupts import deferred, prompt

SCRIPT = Path(__file__).with_name("interrupt_processes.py")


@pytest.fixture
def start():
    """Starts a function of the script and waits until it is where signals are sent; none stays behind."""
    started = []

    def start(what, wait=True):
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), what], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        if wait:
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.3)  # until it is in C code: before, a handler of Python's would still run
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def asked(process, *signals):
    """The exit code, stdout and stderr after `signals`."""
    for number in signals:
        process.send_signal(number)
        time.sleep(0.15)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_noted_and_does_not_end_the_block(number):
    steps = 0
    with deferred() as interrupts:
        assert interrupts.asked is None
        while not interrupts.asked and steps < 1_000_000:
            steps += 1
            if steps == 3:
                os.kill(os.getpid(), number)
    assert (steps, interrupts.asked) == (3, number.name)


def test_handlers_and_wakeup_are_those_from_before_afterwards():
    def mine(number, frame):
        pass

    before = {number: signal.signal(number, mine) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for block in (deferred, prompt):
            with block():
                assert signal.getsignal(signal.SIGTERM) is not mine
            assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is mine
            assert signal.set_wakeup_fd(-1) == -1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert not [thread for thread in threading.enumerate() if thread.name == "headstart-interrupts"]


def test_a_block_within_a_block_hears_the_same():
    with deferred() as outer:
        with deferred() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            assert inner is outer
        assert outer.asked == "SIGTERM"


def signalled(then=lambda: None):
    with deferred() as interrupts:
        assert interrupts.asked is None
        os.kill(os.getpid(), signal.SIGINT)
        then()


def test_a_signal_after_the_last_look_is_not_lost():
    with pytest.raises(KeyboardInterrupt):
        signalled()


def test_what_is_raised_in_the_block_passes_though_a_signal_came():
    with pytest.raises(ZeroDivisionError):
        signalled(lambda: 1 / 0)


def test_in_another_thread_nothing_is_installed():
    found = []

    def work():
        before = signal.getsignal(signal.SIGINT)
        with deferred() as interrupts, prompt():
            found.append((interrupts.asked, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(None, True)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("what", ["stuck_deferred", "stuck_prompt", "never_looking"])
def test_a_process_in_which_nobody_looks_ends_with_130(start, what, number):
    code, _, err = asked(start(what), number)
    assert code == 130
    (line,) = err.strip().splitlines()
    assert ("checkpoints/step.3 is kept" if what == "stuck_deferred" else "what was saved is kept") in line


def test_a_message_that_fails_does_not_keep_it(start):
    code, _, err = asked(start("stuck_without_message"), signal.SIGTERM)
    assert code == 130
    assert "what was saved is kept (ZeroDivisionError" in err


def test_without_a_watchdog_it_would_go_on(start):
    process = start("stuck_plain")
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.5)


def test_one_that_has_looked_is_left_to_finish(start):
    assert asked(start("looking"), signal.SIGINT) == (0, "SIGINT\n", "")


def test_the_second_signal_ends_it_at_once(start):
    assert asked(start("twice"), signal.SIGINT, signal.SIGTERM) == (0, "at once\n", "")


def test_cleaning_up_may_not_take_for_ever(start):
    code, _, err = asked(start("cleaning"), signal.SIGTERM)
    assert code == 130
    assert "what was saved is kept" in err


def test_a_workers_end_is_not_its_parents(start):
    code, out, err = asked(start("with_worker", wait=False))
    assert (code, out) == (0, f"{-signal.SIGTERM} None\n"), err


def test_what_is_ignored_stays_ignored(start):
    assert asked(start("ignoring", wait=False)) == (0, "None\n", "")


@pytest.mark.parametrize("what", ["lost", "lost_at_the_end"])
def test_what_was_raised_in_a_callback_and_lost_is_raised_again(start, what):
    started = time.monotonic()
    code, _, err = asked(start(what))
    assert code == -signal.SIGINT  # as Python ends for a KeyboardInterrupt
    assert "Exception ignored" not in err
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert time.monotonic() - started < 5


def test_without_that_it_would_go_on(start):
    code, _, err = asked(start("lost_plain"))
    assert code == 7
    assert "Exception ignored" in err
