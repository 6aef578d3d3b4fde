"""R14: two runs never write one folder; the processes are those of tests/core/test_lock.py."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from rig.figures import Figure, figure

SCRIPT = Path(__file__).resolve().parents[2] / "core" / "lock_processes.py"


def races(scratch: Path, turns: int) -> list[Figure]:
    """Two processes that want one folder; owners that are killed; and a file without a lock."""
    return [
        figure("R14", "two processes race for one folder: one owner", _raced(scratch / "race", "race", turns)),
        figure("R14", "a killed owner's lock is taken over", _taken_over(scratch / "killed", turns)),
        figure(
            "R14", "two processes race", _raced(scratch / "planted", "race_by_pid_file", 1), planted="no lock, a file"
        ),
    ]


def _start(what: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), what, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _raced(folder: Path, what: str, turns: int) -> Iterator[str | None]:
    folder.mkdir()
    processes = [_start(what, folder) for _ in range(2)]
    for turn in range(turns):
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{turn}\n")
            process.stdin.flush()
        said = [process.stdout.readline().strip() for process in processes if process.stdout is not None]
        yield None if said.count("won") == 1 else f"turn {turn}: {said}"
    for process in processes:
        process.kill()
        process.communicate()


def _taken_over(folder: Path, turns: int) -> Iterator[str | None]:
    folder.mkdir()
    before = None
    for _ in range(turns):
        owner = _start("hold", folder)
        assert owner.stdout is not None
        told = json.loads(owner.stdout.readline() or '"it was refused"')
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
        expected = None if before is None else f"process {before} on "
        yield None if (told or "").startswith(expected or "") and bool(told) == bool(expected) else f"{told}"
        before = owner.pid
