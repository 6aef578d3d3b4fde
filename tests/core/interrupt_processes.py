"""What the tests of interrupts run in processes of their own: `python interrupt_processes.py WHAT`."""

import hashlib
import multiprocessing
import os
import signal
import sys
import time

from headstart.interrupts import deferred, prompt

LONG = 2 * 10**8
"""Rounds of a call of C code that lasts for minutes."""


def stuck():
    """As in a compilation: the main thread is in C code and no handler of Python's can run."""
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", LONG)


def stuck_deferred():
    with deferred(lambda: "checkpoints/step.3 is kept", patience=0.4):
        stuck()


def stuck_prompt():
    with prompt(patience=0.4):
        stuck()


def stuck_without_message():
    with deferred(lambda: 1 / 0, patience=0.4):
        stuck()


def stuck_plain():
    """The planted bug: handlers, and nobody who watches."""
    signal.signal(signal.SIGTERM, lambda *anything: sys.exit(130))
    stuck()


WENT_ON = 7
"""The exit code of what did not hear that it was to end."""


class Collected:
    """Is asked to end while it is collected, where Python only prints exceptions."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)


def lost():
    """A KeyboardInterrupt that nobody gets to see, and then work that goes on."""
    with prompt(patience=20.0):
        print("ready", flush=True)
        Collected()
        time.sleep(10.0)
        sys.exit(WENT_ON)


def lost_at_the_end():
    """The same, but there is nothing left to do in which it could be raised again."""
    with prompt():
        print("ready", flush=True)
        Collected()
    sys.exit(WENT_ON)


def lost_plain():
    """The planted bug: handlers that raise, and nobody who insists."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print("ready", flush=True)
    Collected()
    sys.exit(WENT_ON)


def looking():
    """Takes longer than anybody's patience after it has looked; is not ended for that."""
    with deferred(patience=0.2) as interrupts:
        print("ready", flush=True)
        while not interrupts.asked:
            time.sleep(0.01)
        time.sleep(0.6)
        print(interrupts.asked, flush=True)


def never_looking():
    """Python code that does not look: ended from outside in time."""
    with deferred(patience=0.4):
        print("ready", flush=True)
        while True:
            time.sleep(0.01)


def twice():
    with deferred(patience=60):
        print("ready", flush=True)
        try:
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            print("at once", flush=True)


def cleaning():
    """Code that is interrupted cleans up, for longer than anybody's patience."""
    with prompt(patience=0.4):
        print("ready", flush=True)
        try:
            time.sleep(60)
        finally:
            time.sleep(60)


def with_worker():
    """A forked worker is ended by SIGTERM; its parent has heard nothing."""
    with deferred(patience=0.3) as interrupts:
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        worker.start()
        time.sleep(0.1)
        worker.terminate()
        worker.join(10)
        time.sleep(0.6)
        print(worker.exitcode, interrupts.asked, flush=True)


def ignoring():
    """As under nohup: what was ignored stays so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred(patience=0.2) as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        print(interrupts.asked, flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
