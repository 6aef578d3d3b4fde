"""C1: the runs of a comparison two at once on two cores, beside one at a time.

    python tests/benchmarks/side_by_side.py
    python tests/benchmarks/side_by_side.py --backends torch --rounds 2
    python tests/benchmarks/side_by_side.py --quick

`headstart compare` of training from scratch with `probe` and `full` on four seeds (Lite0, Fashion-MNIST), whole
processes, each with a cache of its own but for what JAX compiled, which a first comparison of one seed does, not
measured. Sides in turn. Each run has one thread. One at a time with a thread for each core stands beside, in the first
round: what those who do not run them at once would do. Runs of the same threads must give the same figures, to the bit.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kept import Kept, Measured
from picture_folders import picture_folder
from processes import HEADSTART, environment, timed
from ratios import FOUND, Ratio, show_ratios, write_ratios

SIDES: Mapping[str, tuple[int, int]] = {"two at once": (2, 1), "one at a time": (1, 1), "one, of two threads": (1, 2)}
"""Runs at once, and threads of each."""
BESIDE = "one, of two threads"
QUICK = {"backends": ["torch"], "rounds": 1, "count": 100, "size": 32, "epochs": 1, "seeds": 1}


def main() -> int:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    found = [ratio for backend in given.backends for ratio in side_by_side(backend, given, kept)]
    settings = (
        f"headstart compare, scratch, probe and full, {given.seeds} seeds, lite0 at {given.size} px, {given.count} "
        f"pictures, {given.epochs} epochs, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    )
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Runs side by side: {settings}")
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-side-by-side"))
    parser.add_argument("--json", type=Path, default=FOUND / "side_by_side.json", help="where the ratios go")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"))
    parser.add_argument("--rounds", type=int, default=2, metavar="N")
    parser.add_argument("--count", type=int, default=250, metavar="N", help="pictures")
    parser.add_argument("--size", type=int, default=96, metavar="N", help="pixels a side")
    parser.add_argument("--epochs", type=int, default=2, metavar="N")
    parser.add_argument("--seeds", type=int, default=4, metavar="N")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK}")
    given = parser.parse_args()
    if given.quick:
        parser.set_defaults(**QUICK, json=FOUND / "quick" / "side_by_side.json")
        given = parser.parse_args()
    return given


def side_by_side(backend: str, given: argparse.Namespace, kept: Kept) -> list[Ratio]:
    """Seconds of each side, a round after another."""
    what = f"{backend} {given.count} {given.size} {given.epochs}"
    if backend == "jax":
        kept.once(f"{what}/compiles", lambda: comparison(backend, 1, 1, 1, given))
    taken: dict[str, list[Measured]] = {name: [] for name in SIDES}
    for number in range(given.rounds):
        for name in SIDES:
            if name == BESIDE and number:
                continue
            measure = lambda name=name: comparison(backend, *SIDES[name], given.seeds, given)  # noqa: E731
            taken[name].append(kept.once(f"{what}/{given.seeds} seeds/{name}/{number}", measure))
    seconds = {name: [each["seconds"] for each in found] for name, found in taken.items()}
    note = "; ".join(f"{name}: {', '.join(f'{value:.0f} s' for value in values)}" for name, values in seconds.items())
    same = all(two["figures"] == one["figures"] for two, one in zip(*list(taken.values())[:2], strict=True))
    rows = []
    for against in list(SIDES)[1:]:
        ratios = tuple(other / two for other, two in zip(seconds[against], seconds["two at once"], strict=False))
        counts = against == "one at a time"
        rows.append(Ratio("C1", f"a comparison on {backend}, two runs at once", against, ratios, note, counts, same))
    return rows


def comparison(backend: str, jobs: int, threads: int, seeds: int, given: argparse.Namespace) -> Measured:
    """Seconds of one comparison, and the figure of each of its runs."""
    data = picture_folder("fashion", given.count, given.out / "data")
    place = given.out / "once"
    shutil.rmtree(place, ignore_errors=True)
    flags: Sequence[Any] = (
        *("compare", data, "--backbone", "efficientnet_lite/lite0", "--image-size", given.size, "--strategy", "probe"),
        *("--strategy", "full", "--seeds", seeds, "--fractions", "1", "--epochs", given.epochs),
        *("--backend", backend, "--jobs", jobs, "--threads", threads, "--out", place / "comparison", "--json"),
    )
    compiled = (given.out / "jax").resolve()
    variables = environment(HEADSTART_CACHE=place.resolve() / "cache", JAX_COMPILATION_CACHE_DIR=compiled)
    seconds, document = timed([HEADSTART, *flags], variables)
    figures = {f"{each['arm']} {each['seed']}": each["test"] for each in document["cells"]}
    shutil.rmtree(place, ignore_errors=True)
    return {"seconds": seconds, "figures": dict(sorted(figures.items()))}


if __name__ == "__main__":
    sys.exit(main())
