"""What the kernel sees of one save, and what happens where it refuses, by strace: nothing of Python's is replaced."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from rig.calls import Call
from rig.faults import CAUSES
from rig.figures import Figure, figure
from rig.saving import SAFE, prepared, problem_of

SCRIPT = Path(__file__).with_name("one_save.py")
KINDS = {
    "openat": "create",
    "mkdir": "mkdir",
    "write": "write",
    "pwrite64": "write",
    "fsync": "fsync",
    "fdatasync": "fsync",
    "rename": "rename",
    "renameat": "rename",
    "renameat2": "rename",
    "unlink": "unlink",
    "unlinkat": "unlink",
    "rmdir": "rmdir",
    "ftruncate": "truncate",
    "creat": "create",
    "link": "link",
    "linkat": "link",
    "pwritev": "write",
    "writev": "write",
    "fallocate": "allocate",
    "sendfile": "write",
    "copy_file_range": "write",
}
"""The calls that change a file system, each with the rig's word for it."""
REFUSED = {"write": "write", "fsync": "fsync", "rename": "rename"}

_LINE = re.compile(r"(?:\[pid +\d+\] |\d+ +)?(?P<name>\w+)\((?P<arguments>.*)\) += ")
_HEX = re.compile(r"[0-9a-f]{32}")


@cache
def can_trace() -> bool:
    """Whether strace is installed and may trace and refuse."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-e", "inject=fsync:error=EIO", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def seen_of_one_save(folder: Path) -> list[tuple[str, str]]:
    """Kind and name of each call below `folder` of a save in a process of its own, in order."""
    prepared(folder)
    trace = folder.with_name("trace.txt")
    _run(folder, ["-f", "-y", "-s", "0", "-o", str(trace), "-e", "trace=" + ",".join(f"?{name}" for name in KINDS)])
    found = (_LINE.match(line) for line in trace.read_text().splitlines())
    seen = [_seen(match, os.path.realpath(folder)) for match in found if match]
    return [call for call in seen if call is not None]


def as_seen(calls: Sequence[Call]) -> list[tuple[str, str]]:
    """The rig's own record of a save, in the words of `seen_of_one_save`."""
    return [(call.kind, _HEX.sub("*", os.path.basename(call.path))) for call in calls]


def _seen(match: re.Match[str], folder: str) -> tuple[str, str] | None:
    name, arguments = match["name"], match["arguments"]
    quoted = re.findall(r'"([^"]*)"\.*', arguments)
    described = re.findall(r"<([^>]*)>", arguments)
    path = os.path.join(described[0] if described else "", quoted[0]) if quoted and name != "write" else described[0]
    if name == "openat" and "O_CREAT" not in arguments:
        return None
    if path != folder and not path.startswith(folder + "/"):
        return None
    kind = "rmdir" if "AT_REMOVEDIR" in arguments else KINDS[name]
    return kind, _HEX.sub("*", os.path.basename(path)) if path != folder else "."


def refusals(scratch: Path) -> Figure:
    """R3 by the kernel's own refusals: each call of each kind, for each cause."""
    causes = ", ".join(errno.errorcode[cause] for cause in CAUSES)
    return figure("R3", f"{{{causes}}} x {{{', '.join(REFUSED)}}}, refused by the kernel", _refused(scratch))


def _refused(scratch: Path) -> Iterator[str | None]:
    folder = scratch / "checkpoints"
    seen = [kind for kind, _ in seen_of_one_save(scratch / "seen")]
    until = seen[: len(seen) - seen[::-1].index("fsync")]  # what follows removes an old one, and may fail
    for kind, names in REFUSED.items():
        for number in range(1, until.count(kind) + 1):
            for cause in CAUSES:
                prepared(folder)
                problem = _problem(folder, names, errno.errorcode[cause], number, os.strerror(cause))
                yield f"{errno.errorcode[cause]} at {kind} {number}: {problem}" if problem else None
                shutil.rmtree(folder)


def _problem(folder: Path, names: str, code: str, number: int, reason: str) -> str | None:
    """What is wrong where the `number`th of these calls is refused; the process makes none before it saves."""
    exit_code, words = _run(folder, ["-f", "-o", "/dev/null", "-e", f"inject={names}:error={code}:when={number}"])
    if exit_code != 1:
        return f"exit code {exit_code}: {words}"
    if f"{folder}/step.{SAFE + 1}" not in words or reason not in words:
        return f"the error lacks path or reason: {words}"
    return problem_of(folder, done=SAFE)


def _run(folder: Path, options: Sequence[str]) -> tuple[int, str]:
    command = ["strace", *options, sys.executable, str(SCRIPT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
