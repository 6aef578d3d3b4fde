"""P8: the peak of anonymous memory of `headstart fit` at N pictures and at ten times as many.

    python tests/benchmarks/memory.py

RssAnon of the process is read from /proc every 20 ms; its peak is what counts. RssFile (pages of mapped files, which
the system takes back when it needs them) stands beside it. A process that it starts to export a graph is not counted:
what that takes does not depend on the pictures. Linux only.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from kept import Kept, Measured
from picture_folders import picture_folder
from processes import HEADSTART, environment
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

BETWEEN = 0.02
"""Seconds between two readings."""
FIELDS = ("RssAnon", "RssFile")
FLAGS = "--engine auto --precision float32"
TIMES = 10


def main() -> None:
    """Measure what is not measured yet, print and write the ratio."""
    given = parse()
    if not Path("/proc/self/status").exists():
        sys.exit("this benchmark reads /proc, which only Linux has")
    kept = Kept(given.out / "measured.jsonl")
    found = [compare(backend, given, kept) for backend in given.backends]
    settings = f"probe of {given.backbone} at {given.image_size} px; flags: {given.flags}; {given.rounds} rounds"
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Memory: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-memory"), help="pictures, runs and measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "memory.json", help="where the ratios go")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--backbone", default="efficientnet_lite/lite0", metavar="REF")
    parser.add_argument("--image-size", type=int, default=96, metavar="N")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="pictures; then ten times as many")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--flags", default=FLAGS, metavar="TEXT", help=f'of ours: --flags="{FLAGS}" if not given')
    parser.add_argument("--quick", action="store_true", help="300 pictures, one round, torch alone")
    given = parser.parse_args()
    if given.quick:
        parser.set_defaults(count=300, rounds=1, backends=["torch"], json=FOUND / "quick" / "memory.json")
        given = parser.parse_args()
    return given


def compare(backend: str, given: argparse.Namespace, kept: Kept) -> Ratio:
    """Few and many pictures in turn, an empty cache each time."""
    few, many = given.count, TIMES * given.count
    peaks: dict[int, list[Measured]] = {few: [], many: []}
    for number in range(given.rounds):
        for count in (few, many):
            flags = given.flags.replace(" ", "_")
            key = f"{given.backbone}/{given.image_size}/{backend}/{flags}/{count}/{number}"
            peaks[count].append(kept.once(key, lambda count=count: peak(count, backend, given)))
    # Paired with the median of the few, so that one odd reading does not count twice.
    base = statistics.median(each["RssAnon"] for each in peaks[few])
    told = [
        f"{count} pictures: {middle([each['RssAnon'] for each in found], 0, ' MiB')} anonymous, "
        f"{middle([each['RssFile'] for each in found], 0, ' MiB')} of files"
        for count, found in peaks.items()
    ]
    return Ratio(
        row="P8",
        what=f"{given.backbone.partition('/')[2]}, Fashion-MNIST {many} at {given.image_size} px, {backend}, float32",
        against=f"itself at {few}",
        ratios=tuple(each["RssAnon"] / base for each in peaks[many]),
        note="; ".join(told) + ".",
    )


def peak(count: int, backend: str, given: argparse.Namespace) -> Measured:
    """Peaks in MiB over one run, and its seconds."""
    data = picture_folder("fashion", count, given.out / "data")
    run, cache = given.out / "run", given.out / "cache"
    for left in (run, cache):
        shutil.rmtree(left, ignore_errors=True)
    command = (HEADSTART, "fit", data, "--backbone", given.backbone, "--strategy", "probe", "--backend", backend)
    command += (*given.flags.split(), "--image-size", str(given.image_size), "--out", run, "--json")
    started = time.perf_counter()
    with (given.out / "stderr.txt").open("w", encoding="utf-8") as told:
        variables = environment(HEADSTART_CACHE=cache)
        process = subprocess.Popen(list(map(str, command)), env=variables, stdout=subprocess.DEVNULL, stderr=told)
        peaks = watch(process)
    if process.returncode != 0:
        sys.exit(f"exit code {process.returncode}: {' '.join(map(str, command))}\nsee {given.out / 'stderr.txt'}")
    shutil.rmtree(cache, ignore_errors=True)
    return {**peaks, "wall": round(time.perf_counter() - started, 1)}


def watch(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Peaks of each field until the process ends, in MiB."""
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


if __name__ == "__main__":
    main()
