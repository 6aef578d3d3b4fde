"""One's own model as the next source: Fashion-MNIST from scratch, then digits with few labels, beside the same network
from scratch and beside ImageNet's weights.

    python tests/benchmarks/chain.py            prints the table
    python tests/benchmarks/chain.py --write    puts it into BENCHMARKS.md too

A seed fixes which digits are labelled, and the training on them; the source is one, of the first seed. The digits of
test are the same 597 for each seed and number of labels, and so are the 200 of val, which choose the epoch and the
head's regularisation for all arms alike. A finished run is not made again.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from processes import HEADSTART, HERE, environment
from scipy import stats
from sections import markdown_table, with_section
from sklearn.datasets import load_digits

REPORT = HERE.parents[1] / "BENCHMARKS.md"
BACKBONE = "efficientnet_lite/lite0"
VAL, TEST = 200, 597
ARMS = {
    "scratch": "from scratch",
    "imagenet": "ImageNet, lp_ft",
    "fashion": "own Fashion-MNIST, lp_ft",
}
"""What each begins from and how it learns."""


@dataclass(frozen=True)
class Cell:
    """One run on digits."""

    arm: str
    labels: int
    seed: int

    @property
    def name(self) -> str:
        """One word."""
        return f"{self.arm}-{self.labels}-{self.seed}"


def main() -> int:
    """Run what is not there yet, and print the table."""
    given = parse()
    given.out.mkdir(parents=True, exist_ok=True)
    began = source(given, given.seeds[0])
    found = {}
    for labels in given.labels:
        for seed in given.seeds:
            data = digits(given.out / "digits", labels, seed)
            for arm in ARMS:
                cell = Cell(arm, labels, seed)
                found[cell] = measured(given, cell, data, began)
    section = told(given, found, began)
    print(section)
    if given.write:
        REPORT.write_text(with_section(REPORT.read_text("utf-8"), "chain", section), "utf-8")
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Own sources, from Fashion-MNIST to digits.")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/chain"))
    parser.add_argument("--backend", default="torch", choices=("jax", "torch"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--labels", nargs="+", type=int, default=[10, 50, 200])
    parser.add_argument("--size", type=int, default=48, help="pixels a side, of source and target")
    parser.add_argument("--source-limit", type=int, default=12_000, help="pictures of Fashion-MNIST, test among them")
    parser.add_argument("--source-epochs", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=20, help="of fine-tuning, and from scratch")
    parser.add_argument("--write", action="store_true", help="put the table into BENCHMARKS.md")
    return parser.parse_args()


def source(given: argparse.Namespace, seed: int) -> dict[str, Any]:
    """The source of a seed: its document, `run` among it."""
    flags = (
        *("pretrain", "fashion_mnist", "--backbone", BACKBONE, "--limit", str(given.source_limit)),
        *("--epochs", str(given.source_epochs), "--image-size", str(given.size), "--batch-size", "64"),
        *("--backend", given.backend, "--seed", str(seed), "--split-seed", str(seed), "--reporter", "json"),
    )
    return run(given, f"source-{seed}", flags)


def measured(given: argparse.Namespace, cell: Cell, data: Path, began: dict[str, Any]) -> dict[str, Any]:
    """The document of one run on digits."""
    shared = (
        *("--image-size", str(given.size), "--backend", given.backend, "--seed", str(cell.seed), "--batch-size", "16"),
        *("--reporter", "json", "--set", "dataset.horizontal_flip=false"),
    )
    epochs = ("--epochs", str(given.epochs))
    verb, backbone = "fit", str(began["run"]) if cell.arm == "fashion" else BACKBONE
    if cell.arm == "scratch":
        verb = "pretrain"
    return run(given, cell.name, (verb, str(data), "--backbone", backbone, *epochs, *shared))


def run(given: argparse.Namespace, name: str, flags: Sequence[str]) -> dict[str, Any]:
    """What a run printed, and its seconds; of one that is finished, what it printed then."""
    folder, kept = given.out / name, given.out / f"{name}.json"
    told = [*flags, "--out", str(folder.resolve())]
    if kept.is_file():
        found = json.loads(kept.read_text("utf-8"))
        if found["flags"] == told:
            return dict(found["document"])
        raise SystemExit(f"{kept} is of other flags: remove {folder} and it")
    started = time.perf_counter()
    resumed = ["--resume"] if (folder / "recipe.toml").is_file() else []
    variables = environment(OMP_WAIT_POLICY="PASSIVE", HEADSTART_CACHE=given.out / "cache")
    command = [str(HEADSTART), *told, *resumed, "--json"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    document = json.loads(done.stdout[done.stdout.index("{") :])
    document["run_seconds"] = round(time.perf_counter() - started, 1)
    kept.write_text(json.dumps({"flags": told, "document": document}), "utf-8")
    print(f"{name}: test {document['metrics']['test']['accuracy']:.4f}, {document['run_seconds']} s", file=sys.stderr)
    return dict(document)


def digits(folder: Path, labels: int, seed: int) -> Path:
    """A manifest of scikit-learn's digits: `labels` of them to train on, as many of each class, and the same val and
    test for all."""
    pictures, classes = load_digits(return_X_y=True)
    places = np.random.default_rng(0).permutation(len(classes))
    test, val, rest = places[:TEST], places[TEST : TEST + VAL], places[TEST + VAL :]
    drawn = np.random.default_rng((seed, 1)).permutation(rest)
    train = np.concatenate([drawn[classes[drawn] == each][: labels // 10] for each in range(10)])
    folder.mkdir(parents=True, exist_ok=True)
    for place in places:
        file = folder / f"{place:04d}.png"
        if not file.is_file():
            Image.fromarray((pictures[place].reshape(8, 8) * 255 / 16).round().astype(np.uint8)).save(file)
    manifest = folder / f"{labels}-{seed}.csv"
    with manifest.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(("path", "label", "split"))
        for side, members in (("train", train), ("val", val), ("test", test)):
            rows.writerows((f"{place:04d}.png", f"digit {classes[place]}", side) for place in sorted(members))
    return manifest


def told(given: argparse.Namespace, found: dict[Cell, dict[str, Any]], began: dict[str, Any]) -> str:
    """The table and what it is of."""
    rows = [
        (name, *(spelt([accuracy(found[Cell(arm, labels, seed)]) for seed in given.seeds]) for labels in given.labels))
        for arm, name in ARMS.items()
    ]
    gains = [
        (
            f"{ARMS[arm]} less {ARMS['scratch']}",
            *(
                spelt(
                    [
                        accuracy(found[Cell(arm, labels, seed)]) - accuracy(found[Cell("scratch", labels, seed)])
                        for seed in given.seeds
                    ],
                    signed=True,
                )
                for labels in given.labels
            ),
        )
        for arm in ("imagenet", "fashion")
    ]
    return "\n".join(
        [
            "## One's own model as the next source",
            "",
            f"`tests/benchmarks/chain.py`: {BACKBONE} at {given.size} px on {given.backend}, {len(given.seeds)} seeds. "
            f"The source is trained from scratch on {given.source_limit:,} pictures of Fashion-MNIST, test among them, "
            f"in {given.source_epochs} epochs: test accuracy {accuracy(began):.3f}. Then digits, "
            f"{given.epochs} epochs: accuracy on {TEST} digits of test, mean over seeds and 95 % interval of "
            "the mean (t); the last rows are paired by seed.",
            "",
            markdown_table(("begins from", *(f"{labels} labels" for labels in given.labels)), [*rows, *gains]),
        ]
    )


def accuracy(document: dict[str, Any]) -> float:
    """On test."""
    return float(document["metrics"]["test"]["accuracy"])


def spelt(values: Sequence[float], *, signed: bool = False) -> str:
    """Mean and 95 % interval of the mean, Student's t."""
    sign = "+" if signed else ""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:{sign}.3f}"
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:{sign}.3f} ± {half:.3f}"


if __name__ == "__main__":
    sys.exit(main())
