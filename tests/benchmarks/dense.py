"""P8d: the peak of anonymous memory where each sample has 224 x 224 x 21 outputs, at N samples and at ten times N.

    python tests/benchmarks/dense.py

`headstart fit` for one epoch of everything, with validation, the test and predictions, then `headstart evaluate` of all
its splits. Every output array of a sample has 4.2 MB: what keeps those of a split cannot stay below the goal. Memory is
read as `peaks.py` says. The allocator keeps some 50 MiB more after tens of batches than after three, so that few
samples are a thousand here.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from kept import Kept, Measured
from peaks import few_and_many, peak_of
from processes import HEADSTART, HERE, environment
from ratios import FOUND, Ratio, show_ratios, write_ratios

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
    return few_and_many(
        "P8d",
        f"headstart {verb}, {{many}} samples of 224 x 224 x 21 outputs, {backend}",
        noun="samples",
        count=given.count,
        rounds=given.rounds,
        key=f"{backend}/{{count}}/{{number}}/{verb}",
        kept=kept,
        measure=lambda count: peak(verb, count, backend, given),
    )


def peak(verb: str, count: int, backend: str, given: argparse.Namespace) -> Measured:
    """Peaks in MiB over one command; `evaluate` scores the run that `fit` left, on all its splits."""
    run = given.out / f"run-{backend}-{count}"
    if verb == "fit":
        shutil.rmtree(run, ignore_errors=True)
        command: list[str | Path] = [HEADSTART, "fit", "dense/squares", "--set", f"dataset.count={count}"]
        command += ["--weights", "none", "--backend", backend, "--strategy", "full", "--epochs", "1"]
        command += ["--engine", "native", "--out", run, "--batch-size", "8", "--reporter", "json"]
    else:
        command = [HEADSTART, "evaluate", run, "--split", "all", "--backend", backend]
    variables = environment(HEADSTART_CACHE=given.out / "cache")
    variables["PYTHONPATH"] = os.pathsep.join([str(PLUGIN)])
    return peak_of(command, variables, given.out / "stderr.txt")


if __name__ == "__main__":
    main()
