"""The demo over several seeds on each backend, and the table of rates that its default was chosen from.

    python tests/benchmarks/digits.py
    python tests/benchmarks/digits.py --rates

A seed fixes the split, the initial weights, the order and the augmentation. A rate is chosen by its accuracy
on val; test accuracy stands beside it and chooses nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

from arguments import new_parser, shrinking_flags
from sweep import ROOT, Cell, Row, group, show, show_footer, spread, sweep

RECIPE = ROOT / "examples" / "digits" / "recipe.toml"
RATES = [1e-4, 3e-4, 9e-4]
OWN = "recipe"


def main() -> int:
    """Run the sweep and print its tables."""
    given = parse()
    rows, failed = sweep(cells(given), given.out)
    if given.rates is None:
        show_seeds(rows)
    else:
        show_rates(rows)
    return show_footer(rows, failed, RECIPE)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = new_parser("The digits demo over seeds and backends.", out="runs/bench-digits", backends=["torch", "jax"])
    known = ", ".join(f"{rate:g}" for rate in RATES)
    sentence = f"compare learning rates instead of taking the recipe's own (without values: {known})"
    parser.add_argument("--rates", nargs="*", type=float, metavar="X", help=sentence)
    return parser.parse_args()


def cells(given: argparse.Namespace) -> list[Cell]:
    """A cell for each backend, rate and seed."""
    rates = [OWN] if given.rates is None else [f"{rate:g}" for rate in given.rates or RATES]
    return [
        _cell(backend, rate, seed, shrinking_flags(given))
        for backend in given.backends
        for rate in rates
        for seed in given.seeds
    ]


def _cell(backend: str, rate: str, seed: int, more: tuple[str, ...]) -> Cell:
    rates = () if rate == OWN else ("--learning-rate", rate)
    seeds = ("--seed", str(seed), "--split-seed", str(seed))
    flags = ("--backend", backend, *rates, *seeds, "--reporter", "json", *more)
    return Cell(RECIPE, flags, {"backend": backend, "rate": rate, "seed": seed})


def show_seeds(rows: Sequence[Row]) -> None:
    """Each backend: test accuracy of each seed, mean and deviation, seconds."""
    table = []
    for (backend,), found in group(rows, "backend").items():
        each = ", ".join(f"{value:.4f}" for value in _metrics(found, "test"))
        val = spread(_metrics(found, "val"))[0]
        table.append((backend, _seeds(found), each, *spread(_metrics(found, "test")), val, _seconds(found)))
    columns = ("backend", "seeds", "test accuracy of each", "mean", "sd", "val mean", "seconds")
    show(columns, table, title="Digits: test accuracy over seeds")


def show_rates(rows: Sequence[Row]) -> None:
    """Each backend and rate: val, by which it is chosen, and test beside it."""
    grouped = group(rows, "backend", "rate")
    best = {backend: _best_rate(found) for (backend,), found in group(rows, "backend").items()}
    table = []
    for (backend, rate), found in grouped.items():
        mark = "yes" if rate == best[backend] else ""
        val, test = spread(_metrics(found, "val")), spread(_metrics(found, "test"))
        table.append((backend, rate, _seeds(found), *val, mark, *test, _seconds(found)))
    columns = (
        "backend",
        "rate",
        "seeds",
        "val mean",
        "val sd",
        "best on val",
        "test mean",
        "test sd",
        "seconds",
    )
    show(columns, table, title="Digits: peak rates of the backbone; the head's is the strategy's multiple")


def _best_rate(rows: Sequence[Row]) -> str:
    """The rate with the highest mean accuracy on val."""
    grouped = group(rows, "rate")
    return str(max(grouped, key=lambda rate: statistics.mean(_metrics(grouped[rate], "val")))[0])


def _metrics(rows: Sequence[Row], split: str) -> list[float]:
    return [row.metric(split) for row in rows]


def _seeds(rows: Sequence[Row]) -> str:
    return ", ".join(str(row.labels["seed"]) for row in rows)


def _seconds(rows: Sequence[Row]) -> str:
    return f"{statistics.mean(row.wall for row in rows):.0f}"


if __name__ == "__main__":
    sys.exit(main())
