"""T4: the peak of anonymous memory of `headstart fit` and `headstart evaluate` at N texts and at ten times as many.

    python tests/benchmarks/text_memory.py

Read as `peaks.py` says. The engine is named, so that both sizes run in the same one.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from kept import Kept, Measured
from peaks import few_and_many, peak_of
from processes import HEADSTART, environment
from ratios import FOUND, Ratio, show_ratios, write_ratios
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
    return few_and_many(
        "T4",
        f"headstart {verb}, {{many}} movie sentences, MiniLM, {backend}",
        noun="texts",
        count=given.count,
        rounds=given.rounds,
        key=f"{backend}/{given.engine}/{{count}}/{{number}}/{verb}",
        kept=kept,
        measure=lambda count: peak(verb, count, backend, given),
    )


def peak(verb: str, count: int, backend: str, given: argparse.Namespace) -> Measured:
    """Peaks in MiB over one command; `evaluate` scores the run that `fit` left, on all its splits."""
    run, cache = given.out / f"run-{backend}-{count}", given.out / "cache"
    if verb == "fit":
        for left in (run, cache):
            shutil.rmtree(left, ignore_errors=True)
        table = sentence_table(given.out / "data", count)
        command: list[str | Path] = [HEADSTART, "fit", table, "--backbone", BACKBONE, "--strategy", "probe"]
        command += ["--backend", backend, "--engine", given.engine, "--precision", "float32", "--out", run]
        command += ["--reporter", "json"]
    else:
        command = [HEADSTART, "evaluate", run, "--split", "all", "--backend", backend]
    return peak_of(command, environment(HEADSTART_CACHE=cache), given.out / "stderr.txt")


if __name__ == "__main__":
    main()
