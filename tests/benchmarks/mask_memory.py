"""S4: the peak of anonymous memory of `headstart fit` and `headstart evaluate` with N pictures with masks to validate
on and to score, and with ten times as many.

    python tests/benchmarks/mask_memory.py

Drawn pictures of 512 pixels with 21 classes; one epoch of EfficientNet-Lite0 with its published weights below a light
head on few pictures, validation on all of them, their test and predictions; then they are scored again. Metrics keep
counts of each picture. S4g is the peak of the many over 2 GiB. Read as `peaks.py` says.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np
from kept import Kept, Measured
from peaks import TIMES, few_and_many, peak_of
from PIL import Image
from processes import HEADSTART, environment
from ratios import FOUND, Ratio, show_ratios, write_ratios

CLASSES = 21
SHAPES = 12
"""Drawn in a picture."""
TRAIN = TEST = 16
"""Pictures, whatever the number that is validated on."""
ALLOWED = 2048
"""MiB."""


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    kept = Kept(given.out / "measured.jsonl")
    found = [
        ratio
        for backend in given.backends
        for verb in ("fit", "evaluate")
        for ratio in compare(verb, backend, given, kept)
    ]
    settings = (
        f"EfficientNet-Lite0 below lr_aspp, pictures of {given.size} px, {CLASSES} classes, float32, batches of "
        f"{given.batch_size}; {given.rounds} rounds"
    )
    write_ratios(given.json, found, settings=settings)
    show_ratios(found, title=f"Memory of masks: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-mask-memory"), help="data, runs and measurements")
    parser.add_argument("--json", type=Path, default=FOUND / "mask-memory.json", help="where the ratios go")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--count", type=int, default=100, metavar="N", help="pictures; then ten times as many")
    parser.add_argument("--size", type=int, default=512, metavar="PIXELS")
    parser.add_argument("--batch-size", type=int, default=2, metavar="N", help="of a training step")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    return parser.parse_args()


def compare(verb: str, backend: str, given: argparse.Namespace, kept: Kept) -> list[Ratio]:
    """Few and many pictures in turn; and the many beside what is allowed."""
    key = f"{backend}/{given.size}/{{count}}/{{number}}/{verb}"
    what = f"headstart {verb}, {{many}} pictures of {given.size} px with {CLASSES} classes, {backend}"
    grows = few_and_many(
        "S4",
        what,
        noun="pictures",
        count=given.count,
        rounds=given.rounds,
        key=key,
        kept=kept,
        measure=lambda count: peak(verb, count, backend, given),
    )
    many = TIMES * given.count
    peaks = [
        kept.once(key.format(count=many, number=number), lambda: peak(verb, many, backend, given))
        for number in range(given.rounds)
    ]
    over = tuple(each["RssAnon"] / ALLOWED for each in peaks)
    return [grows, Ratio("S4g", what.format(many=many), f"{ALLOWED} MiB", over)]


def peak(verb: str, count: int, backend: str, given: argparse.Namespace) -> Measured:
    """Peaks in MiB over one command; `evaluate` scores the pictures of the run that `fit` left."""
    run, cache = given.out / f"run-{backend}-{count}", given.out / "cache"
    if verb == "fit":
        for left in (run, cache):
            shutil.rmtree(left, ignore_errors=True)
        command: list[str | Path] = [HEADSTART, "fit", pictures(count, given), "--backbone", "efficientnet_lite/lite0"]
        command += ["--strategy", "full", "--epochs", "1", "--image-size", str(given.size)]
        command += ["--batch-size", str(given.batch_size), "--backend", backend, "--engine", "native"]
        command += ["--out", run, "--reporter", "json"]
    else:
        command = [HEADSTART, "evaluate", run, "--split", "val", "--backend", backend]
    return peak_of(command, environment(HEADSTART_CACHE=cache), given.out / "stderr.txt")


def pictures(count: int, given: argparse.Namespace) -> Path:
    """A table of drawn pictures and their masks, `count` of them to validate on."""
    folder: Path = given.out / "data" / f"masks-{given.size}-{count}"
    table = folder / "table.csv"
    if table.is_file():
        return table
    for name in ("pictures", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    random, rows = np.random.default_rng(0), []
    for side, number in (("train", TRAIN), ("val", count), ("test", TEST)):
        for place in range(number):
            names = f"pictures/{side}-{place:05}.jpg", f"masks/{side}-{place:05}.png"
            for array, name in zip(draw(random, given.size), names, strict=True):
                Image.fromarray(array).save(folder / name)
            rows.append((*names, side))
    (folder / "classes.txt").write_text("".join(f"class {number}\n" for number in range(CLASSES)), "utf-8")
    with table.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "mask", "split"), *rows])
    return table


def draw(random: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture (size, size, 3) of noisy rectangles, each in the colour of its class, and its mask (size, size)."""
    mask = np.zeros((size, size), np.uint8)
    for _ in range(SHAPES):
        (top, left), (height, width) = random.integers(0, size, 2), random.integers(size // 16, size // 2, 2)
        mask[top : top + height, left : left + width] = random.integers(1, CLASSES)
    colours = np.random.default_rng(CLASSES).integers(40, 216, (CLASSES, 3))
    noise = random.integers(-20, 21, (size, size, 1))
    return (colours[mask] + noise).astype(np.uint8), mask


if __name__ == "__main__":
    main()
