"""Peaks of memory of measured processes, at N samples and at ten times as many.

RssAnon of the process is read from /proc every 20 ms; its peak is what counts. RssFile (pages of mapped files, which
the system takes back when it needs them) stands beside it. A process that it starts to export a graph is not counted:
what that takes does not depend on the samples. Linux only.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kept import Kept, Measured
from ratios import Ratio, middle

BETWEEN = 0.02
"""Seconds between two readings."""
FIELDS = ("RssAnon", "RssFile")
TIMES = 10
Measure = Callable[[int], Measured]
"""Peaks of a process on so many samples."""


def few_and_many(
    row: str, what: str, *, noun: str, count: int, rounds: int, key: str, kept: Kept, measure: Measure
) -> Ratio:
    """`measure` at `count` and at TIMES as many in turn, each kept under `key`, which has places for both the count and
    the round: "torch/{count}/{number}". In `what`, "{many}" is the larger count."""
    peaks: dict[int, list[Measured]] = {count: [], TIMES * count: []}
    for number in range(rounds):
        for size, found in peaks.items():
            found.append(kept.once(key.format(count=size, number=number), lambda size=size: measure(size)))
    few, many = peaks.values()
    # Paired with the median of the few, so that one odd reading does not count twice.
    base = statistics.median(each["RssAnon"] for each in few)
    told = [
        f"{size} {noun}: {middle([each['RssAnon'] for each in found], 0, ' MiB')} anonymous, "
        f"{middle([each['RssFile'] for each in found], 0, ' MiB')} of files"
        for size, found in peaks.items()
    ]
    return Ratio(
        row=row,
        what=what.format(many=TIMES * count),
        against=f"itself at {count}",
        ratios=tuple(each["RssAnon"] / base for each in many),
        note="; ".join(told) + ".",
    )


def peak_of(command: Sequence[str | Path], variables: Mapping[str, str], told: Path) -> Measured:
    """Peaks in MiB over one command, and its seconds; what it says on stderr goes to the file `told`.

    Stops the benchmark where the command fails.
    """
    started = time.perf_counter()
    with told.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            list(map(str, command)), env=dict(variables), stdout=subprocess.DEVNULL, stderr=stream
        )
        peaks = watch(process)
    if process.returncode != 0:
        sys.exit(f"exit code {process.returncode}: {' '.join(map(str, command))}\nsee {told}")
    return {**peaks, "wall": round(time.perf_counter() - started, 1)}


def watch(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Peaks of each field until the process ends, in MiB."""
    if not Path("/proc/self/status").exists():
        sys.exit("this benchmark reads /proc, which only Linux has")
    peaks = dict.fromkeys(FIELDS, 0.0)
    while process.poll() is None:
        now = memory(process.pid)
        peaks = {field: max(peaks[field], now[field]) for field in FIELDS}
        time.sleep(BETWEEN)
    return {field: round(value, 1) for field, value in peaks.items()}


def memory(number: int) -> dict[str, float]:
    """RssAnon and RssFile of a process in MiB; 0 where it has ended."""
    try:
        text = (Path("/proc") / str(number) / "status").read_text(encoding="utf-8")
    except OSError:
        text = ""
    lines = (line.partition(":") for line in text.splitlines())
    values = {name: float(value.split()[0]) / 1024 for name, _, value in lines if name in FIELDS}
    return {field: values.get(field, 0.0) for field in FIELDS}
