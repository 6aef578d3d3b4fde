"""How many threads this process may use, and how they wait for each other. Imports no framework.

Other programs run on the same cores. Threads that spin at a barrier while the one they wait for is not running waste
what they have: those of PyTorch's OpenMP do, unless it was told to let them sleep when it was loaded (GNU OpenMP's
manual, "OMP_WAIT_POLICY" and "GOMP_SPINCOUNT").
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from headstart.specs.datasets import Finding

WAIT_POLICY = "OMP_WAIT_POLICY"
SPINNING = (WAIT_POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables by which a user says how OpenMP's threads wait."""
OPENMP = "torch"
"""The package that loads an OpenMP, which reads the variables then."""
CGROUPS = Path("/sys/fs/cgroup")


def available_threads() -> int:
    """The processor threads that this process may use: its share of the cores, fewer by a container's quota or by
    OMP_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if (quota := cpu_quota()) is not None:
        cores = min(cores, max(1, math.ceil(quota)))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdecimal() and int(asked) > 0 else cores


def cpu_quota(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> float | None:
    """The processors that the control groups of this process leave it, such as 1.5; None without a limit.

    The least of its own group's and those above it, which a container may not see (Linux, cgroups(7): "cpu.max" of
    version 2; "cpu.cfs_quota_us" over "cpu.cfs_period_us" of version 1).
    """
    found = [each for folder in _groups(root, membership) if (each := _quota_of(folder)) is not None]
    return min(found, default=None)


def _groups(root: Path, membership: Path) -> Iterator[Path]:
    """The folders of this process' groups that limit processors, and of those above them."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:  # number:controllers:path
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / controllers if controllers else root
        group = PurePosixPath(path).relative_to("/") if path.startswith("/") else PurePosixPath(path)
        for parent in (group, *group.parents):
            yield base / parent


def _quota_of(folder: Path) -> float | None:
    try:
        if (limit := folder / "cpu.max").is_file():
            quota, period = limit.read_text(encoding="ascii").split()
        else:
            quota, period = (
                (folder / name).read_text(encoding="ascii").strip()
                for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            )
        return int(quota) / int(period) if quota not in ("max", "-1") else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def wait_passively() -> None:
    """Have the threads of an OpenMP that is loaded from here on sleep where they wait; what the user set stays."""
    if not _named() and OPENMP not in sys.modules:
        os.environ[WAIT_POLICY] = "PASSIVE"


def how_threads_wait() -> str:
    """How those of this process' OpenMP wait for each other, as messages say it; call it after `wait_passively`."""
    if named := " ".join(_named()):
        asleep = os.environ.get(WAIT_POLICY, "").strip().upper() == "PASSIVE"
        return f"asleep ({named})" if asleep else f"as {named} says"
    return "spinning"


def spinning_findings(threads: int) -> list[Finding]:
    """A note where so many threads of an OpenMP that was loaded before headstart spin; call it after
    `wait_passively`."""
    if threads == 1 or _named() or OPENMP not in sys.modules:
        return []
    message = f"{OPENMP} was loaded before headstart, so that its threads spin where they wait"
    hint = f"where the machine does other things too, set {WAIT_POLICY}=PASSIVE before anything imports {OPENMP}"
    return [Finding("note", message, threads, hint)]


def _named() -> list[str]:
    return [f"{name}={os.environ[name]}" for name in SPINNING if name in os.environ]
