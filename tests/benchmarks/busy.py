"""L0: a machine that does other things too.

    python tests/benchmarks/busy.py

Fine-tuning of two epochs (lite0, 96 px, 192 pictures) in whole processes, in turn: alone and beside two processes that
keep both cores busy; as it comes, and with OMP_WAIT_POLICY=PASSIVE set from outside, which is the control on PyTorch.
Where threads spin at barriers the processor's time grows beside others, whatever the wall says: it stands beside, and
for JAX and the engines it is what counts, since nothing from outside would make them wait otherwise. At last two runs
at once, against one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from kept import Kept, Measured
from picture_folders import picture_folder
from processes import HEADSTART, PYTHON, environment
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

FINE_TUNING = ("--strategy", "full", "--epochs", "2", "--engine", "native")
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
OTHERS = 2
"""Processes beside the one that is measured."""


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    found = [*against_passive(given, kept), *processor_time(given, kept), *two_at_once(given, kept)]
    settings = f"two epochs of lite0 at 96 px, 192 pictures, whole processes, {given.rounds} rounds in turn"
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Beside other work: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-busy"), help="pictures, runs, measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "busy.json", help="where the ratios go")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    return parser.parse_args()


def against_passive(given: argparse.Namespace, kept: Kept) -> Iterator[Ratio]:
    """PyTorch as it comes, against threads that were told from outside to sleep."""
    for beside in (0, OTHERS):
        taken = in_turn({"ours": {}, "passive": PASSIVE}, "torch", FINE_TUNING, beside, given, kept)
        note = "; ".join(f"{name}: {told(found)}" for name, found in taken.items())
        ratios = tuple(a["wall"] / b["wall"] for a, b in zip(taken["ours"], taken["passive"], strict=True))
        where = f"beside {beside} busy processes" if beside else "alone"
        yield Ratio("L0", f"fine-tuning, torch, {where}", "OMP_WAIT_POLICY=PASSIVE set from outside", ratios, note)


def processor_time(given: argparse.Namespace, kept: Kept) -> Iterator[Ratio]:
    """What else has threads: processor time beside others over that alone."""
    cases = {
        "fine-tuning, torch": ("torch", FINE_TUNING),
        "fine-tuning, jax": ("jax", FINE_TUNING),
        "a probe whose features OpenVINO computes, torch": ("torch", ("--strategy", "probe", "--engine", "openvino")),
        "a probe whose features ONNX Runtime computes, torch": (
            "torch",
            ("--strategy", "probe", "--engine", "onnxruntime"),
        ),
    }
    for what, (backend, flags) in cases.items():
        alone, busy = (in_turn({"ours": {}}, backend, flags, beside, given, kept)["ours"] for beside in (0, OTHERS))
        ratios = tuple(b["processor"] / a["processor"] for a, b in zip(alone, busy, strict=True))
        note = f"alone: {told(alone)}; busy: {told(busy)}"
        yield Ratio("L0", f"processor time of {what}, beside {OTHERS} busy processes", "alone", ratios, note, False)


def two_at_once(given: argparse.Namespace, kept: Kept) -> Iterator[Ratio]:
    """Two runs at once, against one after the other."""
    for backend in ("torch", "jax"):
        taken: dict[int, list[Measured]] = {1: [], 2: []}
        for number in range(given.rounds):
            for count in taken:
                key = f"{count} at once/{backend}/{number}"
                measure = lambda count=count, backend=backend: fits(backend, FINE_TUNING, count, {}, given)  # noqa: E731
                taken[count].append(kept.once(key, measure))
        ratios = tuple(two["wall"] / (2 * one["wall"]) for one, two in zip(taken[1], taken[2], strict=True))
        note = f"one: {told(taken[1])}; two: {told(taken[2])}"
        yield Ratio("L0", f"fine-tuning, {backend}, two runs at once", "one after the other", ratios, note)


def in_turn(
    sides: dict[str, dict[str, str]],
    backend: str,
    flags: Sequence[str],
    beside: int,
    given: argparse.Namespace,
    kept: Kept,
) -> dict[str, list[Measured]]:
    """Measurements of each side, a round after another."""
    taken: dict[str, list[Measured]] = {name: [] for name in sides}
    for number in range(given.rounds):
        for name, variables in sides.items():

            def measure(variables: dict[str, str] = variables) -> Measured:
                with busy(beside):
                    return fits(backend, flags, 1, variables, given)

            taken[name].append(kept.once(f"{backend}/{'_'.join(flags)}/{beside}/{number}/{name}", measure))
    return taken


def fits(
    backend: str, flags: Sequence[str], count: int, variables: dict[str, str], given: argparse.Namespace
) -> Measured:
    """Seconds of the wall until all of `count` runs at once have ended, and of the processor in all."""
    data = picture_folder("fashion", 300, given.out / "data")
    shutil.rmtree(given.out / "runs", ignore_errors=True)
    command = [HEADSTART, "fit", data, "--backbone", "efficientnet_lite/lite0", "--image-size", "96", "--json"]
    command += ["--backend", backend, *flags]
    named = environment(HEADSTART_CACHE=given.out / "cache")  # compiled programs are kept
    named = {**{name: value for name, value in named.items() if not name.startswith(("OMP", "GOMP"))}, **variables}
    shutil.rmtree(given.out / "cache" / "features", ignore_errors=True)
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with (given.out / "stderr.txt").open("w", encoding="utf-8") as errors:
        running = [
            subprocess.Popen(
                [*map(str, command), "--out", str(given.out / "runs" / str(number))],
                env=named,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            for number in range(count)
        ]
        codes = [each.wait() for each in running]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if any(codes):
        sys.exit(f"exit codes {codes}: {' '.join(map(str, command))}\nsee {given.out / 'stderr.txt'}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": round(time.perf_counter() - started, 2), "processor": round(spent, 2)}


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    others = [subprocess.Popen([PYTHON, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in others:
            each.kill()
        for each in others:
            os.waitid(os.P_PID, each.pid, os.WEXITED | os.WNOWAIT)  # their time is not the run's


def told(found: Sequence[Measured]) -> str:
    """Seconds of the wall and of the processor."""
    wall, processor = ([each[name] for each in found] for name in ("wall", "processor"))
    return f"{middle(wall, 1, ' s')}, {middle(processor, 1, ' s')} of processor"


if __name__ == "__main__":
    main()
