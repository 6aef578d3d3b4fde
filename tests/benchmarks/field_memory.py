"""T4, A6, M3, D4 and S4: peaks of anonymous memory of `headstart fit` and `headstart evaluate` at N samples of a field
and at ten times as many.

    python tests/benchmarks/field_memory.py text
    python tests/benchmarks/field_memory.py mask --count 16 --backends torch

Each side of a field runs in the same engine; `evaluate` scores the run that `fit` left, on all its splits. Metrics may
keep what was counted of a sample, some tens of bytes a box. Of masks the pictures to validate on are what grows, at
512 px and with 21 classes, and S4g is the peak of the many over 2 GiB. Read as `peaks.py` says.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kept import Kept, Measured
from peaks import TIMES, few_and_many, peak_of
from PIL import Image
from processes import HEADSTART, environment
from ratios import FOUND, Ratio, show_ratios, write_ratios
from text_tables import sentence_table

RATE, SECONDS = 16_000, 3
SIDE = 96
"""Pixels of pictures with boxes and of spectrograms."""
MASKED = 512
"""Pixels of pictures with masks."""
CLASSES = 21
SHAPES = 12
"""Drawn in a picture with a mask."""
TRAIN = TEST = 16
"""Pictures with masks, whatever the number that is validated on."""
ALLOWED = 2048
"""MiB, of the many pictures with masks."""


@dataclass(frozen=True)
class Field:
    """`data` writes so many samples once and gives their path; `flags` are those of `fit`; `evaluate` scores in the
    engine `scored_in`."""

    row: str
    noun: str
    network: str
    count: int
    data: Callable[[Path, int], Path]
    flags: tuple[str, ...]
    scored_in: str
    split: str = "all"


def main() -> None:
    """Measure what is not measured yet, print and write the ratios."""
    given = parse()
    field = FIELDS[given.field]
    given.count = given.count or field.count
    given.out = given.out or Path(f"runs/bench-{given.field}-memory")
    kept = Kept(given.out / "measured.jsonl")
    found = [
        ratio
        for backend in given.backends
        for verb in ("fit", "evaluate")
        for ratio in compare(field, verb, backend, given, kept)
    ]
    settings = (
        f"{field.network} on {field.noun}, float32; {given.count} and {TIMES} times as many; {given.rounds} rounds"
    )
    write_ratios(given.json or FOUND / f"{given.field}-memory.json", found, settings=settings)
    show_ratios(found, title=f"Memory: {settings}")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("field", choices=FIELDS, metavar="FIELD", help=", ".join(FIELDS))
    parser.add_argument("--out", type=Path, help="data, runs and measurements: runs/bench-FIELD-memory")
    parser.add_argument("--json", type=Path, help=f"where the ratios go: {FOUND}/FIELD-memory.json")
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"), metavar="NAME")
    parser.add_argument("--count", type=int, metavar="N", help="samples; then ten times as many")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    return parser.parse_args()


def compare(field: Field, verb: str, backend: str, given: argparse.Namespace, kept: Kept) -> list[Ratio]:
    """Few and many samples in turn; and of masks the many beside what is allowed."""
    key = f"{backend}/{{count}}/{{number}}/{verb}"
    what = f"headstart {verb}, {{many}} {field.noun}, {field.network}, {backend}"

    def measure(count: int) -> Measured:
        return peak(field, verb, count, backend, given.out)

    grows = few_and_many(
        field.row,
        what,
        noun=field.noun,
        count=given.count,
        rounds=given.rounds,
        key=key,
        kept=kept,
        measure=measure,
    )
    if field.row != "S4":
        return [grows]
    many = TIMES * given.count
    peaks = [kept.once(key.format(count=many, number=number), lambda: measure(many)) for number in range(given.rounds)]
    over = tuple(each["RssAnon"] / ALLOWED for each in peaks)
    return [grows, Ratio("S4g", what.format(many=many), f"{ALLOWED} MiB", over)]


def peak(field: Field, verb: str, count: int, backend: str, out: Path) -> Measured:
    """Peaks in MiB over one command."""
    run, cache = out / f"run-{backend}-{count}", out / "cache"
    if verb == "fit":
        for left in (run, cache):
            shutil.rmtree(left, ignore_errors=True)
        command: list[str | Path] = [HEADSTART, "fit", field.data(out / "data", count), *field.flags]
        command += ["--backend", backend, "--precision", "float32", "--out", run, "--reporter", "json"]
    else:
        command = [
            HEADSTART,
            "evaluate",
            run,
            "--split",
            field.split,
            "--backend",
            backend,
            "--engine",
            field.scored_in,
        ]
    return peak_of(command, environment(HEADSTART_CACHE=cache), out / "stderr.txt")


def whole(folder: Path, write: Callable[[Path], None]) -> Path:
    """`folder`, written whole or not at all."""
    if not folder.is_dir():
        begun = folder.with_name(f"{folder.name}.begun")
        shutil.rmtree(begun, ignore_errors=True)
        begun.mkdir(parents=True)
        write(begun)
        begun.rename(folder)
    return folder


def clips(under: Path, count: int) -> Path:
    """A folder of clips in three classes: a tone of each class in noise."""

    def write(folder: Path) -> None:
        times = np.arange(RATE * SECONDS) / RATE
        for number in range(count):
            label = number % 3
            noise = np.random.default_rng(number).uniform(-0.3, 0.3, len(times))
            samples = noise + 0.1 * np.sin(2 * np.pi * 500 * (label + 1) * times)
            path = folder / "abc"[label] / f"{number:05d}.wav"
            path.parent.mkdir(exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
                file.writeframes(np.rint(32_000 * samples).astype("<i2").tobytes())

    return whole(under / f"clips-{count}", write)


def pairs(under: Path, count: int) -> Path:
    """A table of English sentences and their words backwards; no sentence comes twice."""
    words = ("open", "close", "save", "print", "page", "line", "cell", "table", "image", "chart", "slide", "text")

    def write(folder: Path) -> None:
        random = np.random.default_rng(0)
        with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(("source", "target"))
            for number in range(count):
                drawn = [words[place] for place in random.integers(0, len(words), random.integers(3, 13))]
                table.writerow((f"{' '.join(drawn)} {number}", f"{number} {' '.join(reversed(drawn))}"))

    return whole(under / f"pairs-{count}", write) / "pairs.csv"


def scenes(under: Path, count: int) -> Path:
    """A folder of drawn scenes with boxes."""

    def write(folder: Path) -> None:
        command = [HEADSTART, "datasets", "make", "stamp_scenes", "--out", folder / "scenes"]
        command += ["--set", f"scenes={count}", "--set", f"size={SIDE}"]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)

    return whole(under / f"scenes-{count}", write) / "scenes"


def masks(under: Path, count: int) -> Path:
    """A table of drawn pictures and their masks, `count` of them to validate on."""

    def write(folder: Path) -> None:
        for name in ("pictures", "masks"):
            (folder / name).mkdir()
        random, rows = np.random.default_rng(0), []
        for side, number in (("train", TRAIN), ("val", count), ("test", TEST)):
            for place in range(number):
                names = f"pictures/{side}-{place:05}.jpg", f"masks/{side}-{place:05}.png"
                for array, name in zip(masked(random), names, strict=True):
                    Image.fromarray(array).save(folder / name)
                rows.append((*names, side))
        (folder / "classes.txt").write_text("".join(f"class {number}\n" for number in range(CLASSES)), "utf-8")
        with (folder / "table.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("path", "mask", "split"), *rows])

    return whole(under / f"masks-{count}", write) / "table.csv"


def masked(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A picture (MASKED, MASKED, 3) of noisy rectangles, each in the colour of its class, and its mask."""
    mask = np.zeros((MASKED, MASKED), np.uint8)
    for _ in range(SHAPES):
        (top, left), (height, width) = random.integers(0, MASKED, 2), random.integers(MASKED // 16, MASKED // 2, 2)
        mask[top : top + height, left : left + width] = random.integers(1, CLASSES)
    colours = np.random.default_rng(CLASSES).integers(40, 216, (CLASSES, 3))
    noise = random.integers(-20, 21, (MASKED, MASKED, 1))
    return (colours[mask] + noise).astype(np.uint8), mask


LITE0 = ("--backbone", "efficientnet_lite/lite0")
SMALLEST = (
    *(f"{part}.{name}" for part in ("backbone", "task") for name in ("layers=1", "width=32", "heads=2", "hidden=64")),
    *("input.vocabulary=100", "task.vocabulary=100", "task.most=32"),
)
FIELDS: Mapping[str, Field] = {
    "text": Field(
        "T4",
        "movie sentences",
        "probe of MiniLM, openvino",
        1000,
        sentence_table,
        ("--backbone", "hf_text/all_minilm_l6", "--strategy", "probe", "--engine", "openvino"),
        "openvino",
    ),
    "sound": Field(
        "A6",
        f"clips of {SECONDS} s",
        f"probe of EfficientNet-Lite0 on spectrograms of {SIDE} px, onnxruntime",
        300,
        clips,
        (*LITE0, "--strategy", "probe", "--image-size", str(SIDE), "--engine", "onnxruntime"),
        "onnxruntime",
    ),
    "pair": Field(
        "M3",
        "pairs of sentences",
        "an encoder and decoder of one layer of 32, an epoch",
        300,
        pairs,
        (
            *("--task", "translation", "--backbone", "seq2seq/small", "--weights", "none", "--strategy", "scratch"),
            *("--epochs", "1", "--engine", "native", *(part for each in SMALLEST for part in ("--set", each))),
        ),
        "stock",
    ),
    "box": Field(
        "D4",
        f"scenes at {SIDE} px",
        "an epoch of NanoDet at half of its width",
        500,
        scenes,
        (
            *("--backbone", "nanodet/coco", "--weights", "none", "--set", "backbone.width=0.5", "--head", "plain"),
            *("--strategy", "scratch", "--epochs", "1", "--image-size", str(SIDE), "--engine", "native"),
        ),
        "stock",
    ),
    "mask": Field(
        "S4",
        f"pictures of {MASKED} px with {CLASSES} classes",
        "an epoch of EfficientNet-Lite0 below lr_aspp in batches of 2",
        100,
        masks,
        (
            *(*LITE0, "--strategy", "full", "--epochs", "1", "--image-size", str(MASKED)),
            *("--batch-size", "2", "--engine", "native"),
        ),
        "onnxruntime",
        split="val",
    ),
}


if __name__ == "__main__":
    main()
