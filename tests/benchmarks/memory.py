"""P8: the peak of anonymous memory of `headstart fit` at N pictures and at ten times as many.

    python tests/benchmarks/memory.py

Read as `peaks.py` says.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from kept import Kept, Measured
from peaks import few_and_many, peak_of
from picture_folders import picture_folder
from processes import HEADSTART, environment
from ratios import FOUND, Ratio, show_ratios, write_ratios

FLAGS = "--engine auto --precision float32"


def main() -> None:
    """Measure what is not measured yet, print and write the ratio."""
    given = parse()
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
    flags = given.flags.replace(" ", "_")
    return few_and_many(
        "P8",
        f"{given.backbone.partition('/')[2]}, Fashion-MNIST {{many}} at {given.image_size} px, {backend}, float32",
        noun="pictures",
        count=given.count,
        rounds=given.rounds,
        key=f"{given.backbone}/{given.image_size}/{backend}/{flags}/{{count}}/{{number}}",
        kept=kept,
        measure=lambda count: peak(count, backend, given),
    )


def peak(count: int, backend: str, given: argparse.Namespace) -> Measured:
    """Peaks in MiB over one run, and its seconds."""
    data = picture_folder("fashion", count, given.out / "data")
    run, cache = given.out / "run", given.out / "cache"
    for left in (run, cache):
        shutil.rmtree(left, ignore_errors=True)
    command = (HEADSTART, "fit", data, "--backbone", given.backbone, "--strategy", "probe", "--backend", backend)
    command += (*given.flags.split(), "--image-size", str(given.image_size), "--out", run, "--json")
    peaks = peak_of(command, environment(HEADSTART_CACHE=cache), given.out / "stderr.txt")
    shutil.rmtree(cache, ignore_errors=True)
    return peaks


if __name__ == "__main__":
    main()
