"""Every strategy on three small sets, over seeds and backends, beside Keras' guide and training from scratch.

    python tests/benchmarks/strategies.py --jobs 2          # goes on where it was stopped
    python tests/benchmarks/strategies.py --table --write   # nothing is run; BENCHMARKS.md gets the tables

A seed fixes the split (of Fashion-MNIST, which pictures too), initial weights and order; nothing is augmented. Every
side reads the same pictures and split. A cell is one process on one core, and one JSON file below `--out`. `--write`
also keeps cells in strategies.json, and those count as finished in another checkout too; delete both when the code has
changed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from processes import HEADSTART, environment
from ratios import machine
from sections import with_section
from strategies_cells import GUIDE_EPOCHS, SCRATCH_FLAGS, Cell, counts_of, found_in, publish, run_cells
from strategies_sets import SETS
from strategies_table import GUIDE, SCRATCH, Found, grouped, page
from sweep import ROOT

OUT = Path("runs/bench-strategies")


def main() -> int:
    """Run what is not finished, print the tables; 1 where a cell failed or nothing is there."""
    given = parse()
    cells = cells_of(given)
    if given.dry_run:
        print("\n".join(cell.name for cell in cells))
        return 0
    failed = [] if given.table else run_cells(cells, given.out, given.jobs)
    found = in_order(list(found_in(cells, given.out)))
    if found:
        section = page(found, counts_of(cells, given.out), settings(found))
        print(section)
        if given.write:
            write(section, cells, given.out)
    for problem in failed:
        print(f"FAILED {problem}")
    return 1 if failed or not found else 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help=f"where results go (default: {OUT})")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=tuple(SETS), metavar="NAME")
    parser.add_argument("--sides", nargs="+", metavar="NAME", help=f"strategies, {GUIDE}, {SCRATCH}; default: all")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cells at a time, one core each (default: 2)")
    parser.add_argument("--limit", type=int, metavar="N", help="records in all; for a quick look")
    parser.add_argument("--epochs", type=int, metavar="N", help="of the controls; for a quick look")
    parser.add_argument("--table", action="store_true", help="run nothing: print what is there")
    parser.add_argument("--write", action="store_true", help="put the tables into BENCHMARKS.md, and JSON beside it")
    parser.add_argument("--dry-run", action="store_true", help="list the cells in order, and stop")
    return parser.parse_args()


def cells_of(given: argparse.Namespace) -> list[Cell]:
    """All cells: a seed after the other, within it a backend after the other, so that a partial table is of use."""
    sides = given.sides or [GUIDE, *strategies(), SCRATCH]
    return [
        Cell(pictures, side, backend, seed, given.limit, given.epochs)
        for seed in given.seeds
        for backend in given.backends
        for pictures in [SETS[name](seed, given.out / "data") for name in given.sets]
        for side in sides
    ]


def strategies() -> list[str]:
    """The built-in strategies, as `headstart strategies` lists them."""
    command = [str(HEADSTART), "strategies", "--json"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    names = [row["name"].partition("/") for row in json.loads(done.stdout)]
    return [short for plugin, _, short in names if plugin == "strategies"]


def in_order(found: list[Found]) -> list[Found]:
    """By set, then by strategy as first met, then by backend: as the tables list them."""
    by_set = grouped(found, lambda each: each.pictures).values()
    return [each for here in by_set for same in grouped(here, lambda each: each.side).values() for each in same]


def settings(found: list[Found]) -> list[str]:
    """How it was measured, in sentences."""
    seeds = ", ".join(str(seed) for seed in sorted({each.seed for each in found}))
    head, all_of_it = GUIDE_EPOCHS
    return [
        f"`make bench-strategies`: EfficientNet-Lite0 with its ImageNet weights, nothing augmented, seeds {seeds}; a "
        "seed fixes the split (of Fashion-MNIST, the 1,000 training pictures of which a fifth is val too), initial "
        "weights and order. After each mean stands its 95 % interval over the seeds: Student's t, as there are few.",
        f"`{GUIDE}` is Keras' guide in plain Keras on the same rows: {head} epochs of the head alone at 1e-3, then "
        f"{all_of_it} of everything at 1e-5, Adam, dropout 0.2, the last epoch taken. `{SCRATCH}` is "
        f"`headstart fit {' '.join(SCRATCH_FLAGS)}`. Strategies have their defaults. Seconds are of whole processes on "
        f"one core each, with programs that JAX compiled before at hand. {machine()}.",
    ]


def write(section: str, cells: list[Cell], out: Path) -> None:
    """Put the section between its marks in BENCHMARKS.md, and what it is made of beside the benchmarks."""
    told = ROOT / "BENCHMARKS.md"
    told.write_text(with_section(told.read_text(encoding="utf-8"), "strategies", section), encoding="utf-8")
    publish(cells, out)


if __name__ == "__main__":
    sys.exit(main())
