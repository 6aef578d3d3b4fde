"""What the tests of the lock run in processes of their own: `python lock_processes.py WHAT FOLDER`."""

import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from headstart.errors import UsageError
from headstart.runs.lock import LOCK, locked


@contextmanager
def pid_file(folder):
    """The planted bug: a file that says who is there, and no lock of the kernel's; both look before either writes."""
    path = folder / LOCK
    if path.exists():
        raise UsageError(f"{folder} is in use")
    (folder / f"looked.{os.getpid()}").touch()
    while len(list(folder.glob("looked.*"))) < 2:
        time.sleep(0.001)
    path.write_text(str(os.getpid()))
    yield
    path.unlink(missing_ok=True)


def race(folder, lock=locked):
    """For each line of stdin, try to own the folder for as long as the other tries; say `won` or the refusal."""
    for turn in map(str.strip, sys.stdin):
        try:
            with lock(folder):
                print("won", flush=True)
                while not (folder / f"tried.{turn}").exists():
                    time.sleep(0.001)
        except UsageError as exc:
            print(exc.message, flush=True)
            (folder / f"tried.{turn}").touch()


def race_by_pid_file(folder):
    race(folder, pid_file)


def hold(folder):
    """Own the folder, say what was taken over, and never end."""
    with locked(folder) as taken_over:
        print(json.dumps(taken_over), flush=True)
        time.sleep(600)


def hold_with_worker(folder):
    """Own the folder and fork a child that never ends; it says its number, once it runs: the fork is then behind it."""
    with locked(folder):
        if os.fork() == 0:
            print(os.getpid(), flush=True)
        time.sleep(600)


def churn(folder):
    """Own and leave the folder again and again; while owning it, nobody else may be inside."""
    entered = 0
    end = time.monotonic() + float(os.environ["SECONDS"])
    while time.monotonic() < end:
        try:
            with locked(folder):
                (folder / "inside").touch(exist_ok=False)
                (folder / "inside").unlink()
                entered += 1
        except UsageError:
            pass
    print(entered)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
