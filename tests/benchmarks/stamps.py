"""Few pictures, many classes: `probe` and `lp_ft` on Debian's stamps, over split seeds, on each backend.

    sudo apt-get install tuxpaint-stamps-default
    python tests/benchmarks/stamps.py

The references below the table were written by hand for the same pictures, some time before. They are not
measured here.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from arguments import new_parser, shrinking_flags
from sweep import ROOT, Cell, Row, group, show, show_footer, spread, sweep

RECIPE = ROOT / "examples" / "stamps" / "recipe.toml"
STAMPS = Path("/usr/share/tuxpaint/stamps")
LP_FT = ("--epochs", "5", "--set", "strategy.head_factor=3")
"""As the table in examples/stamps/README.md was measured."""
REFERENCES = (
    ("frozen Lite0 features, logistic regression", "0.783, 0.783", "scikit-learn"),
    ("lp-ft in torch, BatchNorm frozen", "0.795, 0.807", "1e-4 to 3e-4, 6 epochs, flips and shifts"),
    ("fastai fine_tune(5)", "0.711, 0.723", "277 s and 256 s on two cores"),
)


def main() -> int:
    """Run the sweep and print its tables."""
    given = parse()
    if not STAMPS.is_dir():
        print(f"{STAMPS} is not there: sudo apt-get install tuxpaint-stamps-default", file=sys.stderr)
        return 2
    rows, failed = sweep(cells(given), given.out)
    show_strategies(rows)
    columns = ("written by hand, not measured here", "test accuracy of two splits", "how")
    show(columns, REFERENCES, title="References on the same 415 pictures: all of 80 % trained on, 83 to test")
    return show_footer(rows, failed, RECIPE)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = new_parser(
        "Probe and lp_ft on the stamps over split seeds and backends.",
        out="runs/bench-stamps",
        backends=["torch", "jax"],
    )
    parser.add_argument("--strategies", nargs="+", default=["probe", "lp_ft"], metavar="NAME")
    return parser.parse_args()


def cells(given: argparse.Namespace) -> list[Cell]:
    """A cell for each backend, strategy and split seed. All else, `seed` too, stays as the recipe has it."""
    return [
        _cell(backend, strategy, seed, shrinking_flags(given))
        for backend in given.backends
        for strategy in given.strategies
        for seed in given.seeds
    ]


def _cell(backend: str, strategy: str, seed: int, more: tuple[str, ...]) -> Cell:
    flags = (
        "--backend",
        backend,
        "--strategy",
        strategy,
        "--split-seed",
        str(seed),
        "--reporter",
        "json",
        *(LP_FT if strategy == "lp_ft" else ()),
        *more,
    )
    return Cell(RECIPE, flags, {"backend": backend, "strategy": strategy, "split_seed": seed})


def show_strategies(rows: Sequence[Row]) -> None:
    """Each backend and strategy: test accuracy of each split, mean and deviation, macro-F1, seconds."""
    table = []
    for (backend, strategy), found in group(rows, "backend", "strategy").items():
        each = ", ".join(f"{row.metric('test'):.3f}" for row in found)
        seeds = ", ".join(str(row.labels["split_seed"]) for row in found)
        accuracy = spread((row.metric("test") for row in found), 3)
        macro = spread((row.metric("test", "macro_f1") for row in found), 3)[0]
        seconds = f"{statistics.mean(row.wall for row in found):.0f}"
        table.append((backend, strategy, seeds, each, *accuracy, macro, seconds))
    columns = (
        "backend",
        "strategy",
        "split seeds",
        "test accuracy of each",
        "mean",
        "sd",
        "macro-F1",
        "seconds",
    )
    show(columns, table, title="Stamps: test accuracy over split seeds")


if __name__ == "__main__":
    sys.exit(main())
