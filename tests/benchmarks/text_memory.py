"""T4: the peak of anonymous memory of `headstart fit` and `headstart evaluate` at N texts and at ten times as many.

    python tests/benchmarks/text_memory.py

Read as `memory.py` reads it. The engine is named, so that both sizes run in the same one.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from kept import Kept, Measured
from memory import TIMES, watch
from processes import HEADSTART, environment
from ratios import FOUND, Ratio, middle, show_ratios, write_ratios
from text_tables import sentence_table

BACKBONE = "hf_text/all_minilm_l6"


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    found = [compare(verb, backend, given, kept) for backend in given.backends for verb in ("fit", "evaluate")]
    settings = f"probe of MiniLM on movie sentences, engine {given.engine}, float32; {given.rounds} rounds"
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Memory of texts: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-text-memory"), help="data, runs and measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "text-memory.json", help="where the ratios go")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="texts; then ten times as many")
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    return parser.parse_args()


def compare(verb: str, backend: str, given: argparse.Namespace, kept: Kept) -> Ratio:
    """Few and many texts in turn."""
    peaks: dict[int, list[Measured]] = {given.count: [], TIMES * given.count: []}
    for number in range(given.rounds):
        for count in peaks:
            key = f"{backend}/{given.engine}/{count}/{number}/{verb}"
            peaks[count].append(kept.once(key, lambda count=count: peak(verb, count, backend, given)))
    few, many = peaks.values()
    base = statistics.median(each["RssAnon"] for each in few)
    told = [
        f"{count} texts: {middle([each['RssAnon'] for each in found], 0, ' MiB')}" for count, found in peaks.items()
    ]
    return Ratio(
        row="T4",
        what=f"headstart {verb}, {TIMES * given.count} movie sentences, MiniLM, {backend}",
        against=f"itself at {given.count}",
        ratios=tuple(each["RssAnon"] / base for each in many),
        note="; ".join(told) + ".",
    )


def peak(verb: str, count: int, backend: str, given: argparse.Namespace) -> Measured:
    """Peaks in MiB over one command; `evaluate` scores the run that `fit` left, on all its splits."""
    run, cache = given.out / f"run-{backend}-{count}", given.out / "cache"
    if verb == "fit":
        for left in (run, cache):
            shutil.rmtree(left, ignore_errors=True)
        table = sentence_table(given.out / "data", count)
        command = [HEADSTART, "fit", table, "--backbone", BACKBONE, "--strategy", "probe", "--backend", backend]
        command += ["--engine", given.engine, "--precision", "float32", "--out", run, "--reporter", "json"]
    else:
        command = [HEADSTART, "evaluate", run, "--split", "all", "--backend", backend]
    with (given.out / "stderr.txt").open("w", encoding="utf-8") as told:
        variables = environment(HEADSTART_CACHE=cache)
        process = subprocess.Popen(list(map(str, command)), env=variables, stdout=subprocess.DEVNULL, stderr=told)
        peaks = watch(process)
    if process.returncode != 0:
        sys.exit(f"exit code {process.returncode}: {' '.join(map(str, command))}\nsee {given.out / 'stderr.txt'}")
    return peaks


if __name__ == "__main__":
    main()
