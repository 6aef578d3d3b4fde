"""The options that every benchmark has, and the flags of `headstart fit` that they become."""

from __future__ import annotations

import argparse
from pathlib import Path


def new_parser(description: str, *, out: str, backends: list[str]) -> argparse.ArgumentParser:
    """A parser with the options that shrink or place a sweep."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=Path(out), help=f"where results and runs go (default: {out})")
    parser.add_argument("--backends", nargs="+", default=backends, choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of the recipe's")
    parser.add_argument("--image-size", type=int, metavar="N", help="instead of the recipe's")
    parser.add_argument("--limit", type=int, metavar="N", help="records in all; for a quick look")
    return parser


def shrinking_flags(given: argparse.Namespace) -> tuple[str, ...]:
    """The flags of `headstart fit` for --epochs, --image-size and --limit, those that were given."""
    chosen = (("--epochs", given.epochs), ("--image-size", given.image_size), ("--limit", given.limit))
    return tuple(part for flag, value in chosen if value is not None for part in (flag, str(value)))
