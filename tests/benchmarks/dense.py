"""P8d: the peak of anonymous memory where each sample has 224 x 224 x 21 outputs, at N samples and at ten times N.

    python tests/benchmarks/dense.py

`headstart fit` for one epoch of everything, with validation, the test and predictions, then `headstart evaluate` of all
its splits. Every output array of a sample has 4.2 MB: what keeps those of a split cannot stay below the goal. Memory is
read as `memory.py` reads it. The allocator keeps some 50 MiB more after tens of batches than after three, so that few
samples are a thousand here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from kept import Kept, Measured
from memory import TIMES, watch
from processes import HEADSTART, HERE, environment
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios

PLUGIN = HERE / "dense_plugin"


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    found = [compare(verb, backend, given, kept) for backend in given.backends for verb in ("fit", "evaluate")]
    settings = f"one convolution, 224 x 224 x 21 outputs a sample; {given.rounds} rounds"
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Memory of dense outputs: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-dense"), help="runs and measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "dense.json", help="where the ratios go")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="samples; then ten times as many")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    return parser.parse_args()


def compare(verb: str, backend: str, given: argparse.Namespace, kept: Kept) -> Ratio:
    """Few and many samples in turn."""
    peaks: dict[int, list[Measured]] = {given.count: [], TIMES * given.count: []}
    for number in range(given.rounds):
        for count in peaks:
            key = f"{backend}/{count}/{number}/{verb}"
            peaks[count].append(kept.once(key, lambda count=count: peak(verb, count, backend, given)))
    few, many = peaks.values()
    base = statistics.median(each["RssAnon"] for each in few)
    told = [
        f"{count} samples: {middle([each['RssAnon'] for each in found], 0, ' MiB')}" for count, found in peaks.items()
    ]
    return Ratio(
        row="P8d",
        what=f"headstart {verb}, {TIMES * given.count} samples of 224 x 224 x 21 outputs, {backend}",
        against=f"itself at {given.count}",
        ratios=tuple(each["RssAnon"] / base for each in many),
        note="; ".join(told) + ".",
    )


def peak(verb: str, count: int, backend: str, given: argparse.Namespace) -> Measured:
    """Peaks in MiB over one command; `evaluate` scores the run that `fit` left, on all its splits."""
    run = given.out / f"run-{backend}-{count}"
    if verb == "fit":
        shutil.rmtree(run, ignore_errors=True)
        command = [HEADSTART, "fit", "dense/squares", "--set", f"dataset.count={count}", "--weights", "none"]
        command += ["--backend", backend, "--strategy", "full", "--epochs", "1", "--engine", "native", "--out", run]
        command += ["--batch-size", "8", "--reporter", "json"]
    else:
        command = [HEADSTART, "evaluate", run, "--split", "all", "--backend", backend]
    variables = environment(HEADSTART_CACHE=given.out / "cache")
    variables["PYTHONPATH"] = os.pathsep.join([str(PLUGIN)])
    with (given.out / "stderr.txt").open("w", encoding="utf-8") as told:
        process = subprocess.Popen(list(map(str, command)), env=variables, stdout=subprocess.DEVNULL, stderr=told)
        peaks = watch(process)
    if process.returncode != 0:
        sys.exit(f"exit code {process.returncode}: {' '.join(map(str, command))}\nsee {given.out / 'stderr.txt'}")
    return peaks


if __name__ == "__main__":
    main()
