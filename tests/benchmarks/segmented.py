"""Masks, transferred: mean IoU beside the same network from scratch and by hand, over seeds.

    python tests/benchmarks/segmented.py                       prints the tables
    python tests/benchmarks/segmented.py --write               puts them into BENCHMARKS.md too
    python tests/benchmarks/segmented.py --only scenes --labels 50 --seeds 0

The pictures of test are those of the set. A seed fixes which of its other pictures are labelled, and the training. Of
the labelled ones a fifth, or all that the set holds for it, is val, which chooses the epoch. All arms of a column make
as many updates, over as many pictures each, at the same size; a new head's first ones, on frozen features, are among
them. `boundaries` are those between the classes of the same scenes: other ones than those that `hed/edges` has learned.
A finished cell is not run again, in another checkout either where `segmented.json` has it, which is written with the
tables: delete that file when the code has changed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from over_seeds import (
    ALL,
    Cell,
    Scores,
    Shelf,
    cells_of,
    figure,
    labelled,
    new_parser,
    records_of,
    run_of,
    threads_of,
)
from PIL import Image
from processes import HERE, PYTHON, environment, timed
from scipy import ndimage
from sections import markdown_table

from headstart.data.made import made_folder
from headstart.registry import load_registry

KEPT = HERE / "segmented.json"
DATASET = "detection_sets/stamp_scenes"
BATCH = 8
PROBE, TUNE = "probe", "fine_tune"
METRICS = ("miou", "pixel_accuracy")
WIDTH = 7
"""Pixels, of the square around a pixel in which another class makes it an edge."""
LITE0 = ("--backbone", "efficientnet_lite/lite0", "--head", "lr_aspp", "--learning-rate", "1e-3")
HED = ("--backbone", "hed/edges", "--head", "lr_aspp", "--learning-rate", "1e-4")
"""VGG16 has no norms that would bear a tenfold rate."""
SIDES = ("--backbone", "hed/edges", "--head", "side_outputs", "--learning-rate", "1e-4")
OWN = ("--backbone", "hed/edges", "--head", "pretrained", "--learning-rate", "1e-4")
ALONE, TUNED = ("fit", "--strategy", "probe"), ("fit", "--strategy", "lp_ft")
"""A new head on a frozen backbone, and both ways one after the other."""
BY_HAND = "by hand from scratch"


@dataclass(frozen=True)
class Study:
    """One table: how many labels, the side of pictures in pixels, and the arms by name with their verb and flags.

    `probe` and `tune` are updates of a new head on frozen features, and of everything from there; from random weights,
    and of a head that is there already, their sum, of everything. `majority` is what the commonest class has."""

    title: str
    what: str
    majority: str
    size: int
    probe: int
    tune: int
    labels: tuple[int, ...]
    arms: Mapping[str, tuple[str, ...]]


STUDIES = {
    "scenes": Study(
        "Scenes of stamps, eight classes and a background",
        "at a rate of 0.001, all of VGG16 at 0.0001; a head alone has them all, on a frozen backbone",
        "Background alone has 0.093 and 0.834.",
        size=128,
        probe=80,
        tune=160,
        labels=(50, 200, ALL),
        arms={
            f"lite0 {BY_HAND}": (),
            "lite0 from scratch": ("pretrain", "--weights", "none", *LITE0),
            "lite0 of ImageNet, head alone": (*ALONE, *LITE0),
            "lite0 of ImageNet": (*TUNED, *LITE0),
            "VGG16 of HED, head alone": (*ALONE, *HED[:-1], "1e-3"),
            "VGG16 of HED": (*TUNED, *HED),
        },
    ),
    "boundaries": Study(
        "Boundaries between these classes",
        "at a rate of 0.0001, of lite0 and of a head alone at 0.001; an edge is each pixel with one of another class "
        f"in the {WIDTH} x {WIDTH} around it",
        "No edge anywhere has 0.456 and 0.912.",
        size=128,
        probe=40,
        tune=80,
        labels=(200,),
        arms={
            f"lite0 {BY_HAND}": (),
            "HED from scratch": ("pretrain", "--weights", "none", *SIDES),
            "HED as published": ("fit", "--strategy", "as_is", *OWN[:4]),
            "HED, new side outputs alone": (*ALONE, *SIDES[:-1], "1e-3"),
            "HED, new side outputs": (*TUNED, *SIDES),
            "HED, its own side outputs": (*TUNED, *OWN),
        },
    ),
}


def main() -> int:
    """Run what is not there yet, and print the tables."""
    given = new_parser("Mean IoU of masks beside controls.", out="runs/bench/segmented", tables=[*STUDIES]).parse_args()
    shelf = Shelf(given.out, KEPT)
    sections = ["## Masks"]
    for name in given.only:
        study = STUDIES[name]
        found = {}
        for cell in cells_of(name, study.arms, study.labels, given):
            scores = shelf.once(cell.name, partial(measured, given, study, cell), only_known=given.table)
            if scores is not None:
                found[cell] = scores
        if found:
            sections.append(told(name, study, found))
    text = "\n\n\n".join(sections)
    print(text)
    if given.write:
        shelf.write("segmented", text)
    return 0


def measured(given: argparse.Namespace, study: Study, cell: Cell) -> Scores:
    """Mean IoU and the share of pixels that are right, on test."""
    table, train = table_of(given.out / "tables", cell)
    steps = -(-train // BATCH)
    probe, tune = (max(1, round(updates / steps)) for updates in (study.probe, study.tune))
    if not study.arms[cell.arm]:
        settings = map(str, (cell.seed, study.size, BATCH, probe + tune))
        command = (PYTHON, HERE / "segmented_by_hand.py", table, *settings)
        _, metrics = timed(command, environment(**threads_of(given.threads)))
    else:
        verb, *flags = study.arms[cell.arm]
        if "lp_ft" in flags:
            flags += ["--epochs", str(tune), "--set", f"strategy.probe_epochs={probe}"]
        elif "as_is" not in flags:
            flags += ["--epochs", str(probe + tune)]
        shared = ("--image-size", str(study.size), "--batch-size", str(BATCH))
        metrics = run_of(given, cell, (verb, f"masks:{table}", *flags, *shared))["metrics"]["test"]
    return {name: metrics[name] for name in METRICS}


def table_of(folder: Path, cell: Cell) -> tuple[Path, int]:
    """The table of a cell's pictures and masks, and how many of them train; the names of classes lie beside it."""
    spec = load_registry().get("datasets", DATASET)
    made = made_folder(spec, None)
    assert made is not None
    masks, classes = made / "masks", (made / "masks" / "classes.txt").read_text("utf-8")
    if cell.study == "boundaries":
        folder, classes = folder / cell.study, "background\nedge\n"
        masks = boundaries_of(masks, folder / "masks")
    file = folder / f"{cell.study}-{cell.labels or 'all'}-{cell.seed}.csv"
    sides = labelled(records_of(DATASET), cell)
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "classes.txt").write_text(classes, "utf-8")
        with file.open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(("path", "mask", "split"))
            for side, records in sides.items():
                for record in records:
                    picture = Path(record.payload)
                    mask = masks / picture.parent.name / f"{picture.stem}.png"
                    table.writerow((picture, mask.resolve(), side))
    return file, len(sides["train"])


def boundaries_of(masks: Path, folder: Path) -> Path:
    """`folder`, with masks of edges in place of those of classes below `masks`: 1 is each pixel with one of another
    class in the WIDTH x WIDTH around it, 0 the others."""
    for each in masks.rglob("*.png"):
        file = folder / each.relative_to(masks)
        if not file.is_file():
            with Image.open(each) as opened:
                mask = np.asarray(opened)
            edge = (ndimage.maximum_filter(mask, WIDTH) != ndimage.minimum_filter(mask, WIDTH)).astype(np.uint8)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(edge).save(file)
    return folder


def told(name: str, study: Study, found: Mapping[Cell, Scores]) -> str:
    """The table and what it is of."""
    shown = [labels for labels in study.labels if any(cell.labels == labels for cell in found)]
    rows = []
    for backend in ("torch", "jax"):
        for arm, flags in study.arms.items():
            own = [(cell.labels, each) for cell, each in found.items() if (cell.arm, cell.backend) == (arm, backend)]
            if own:
                row = [f"{arm}, {backend}" if flags else arm]
                for labels in shown:
                    row += [figure([each[metric] for number, each in own if number == labels]) for metric in METRICS]
                rows.append(row)
    heads = [f"{labels or 'all'} pictures, {metric}" for labels in shown for metric in METRICS]
    return "\n".join(
        [
            f"### {study.title}",
            "",
            f"`tests/benchmarks/segmented.py --only {name}`: stamp_scenes at {study.size} px, {study.probe} updates of "
            f"a new head and {study.tune} of everything, {BATCH} pictures each, {study.what}. The mean intersection "
            "over union of all classes, and the share of pixels that are right, on test in pixels of the files; mean "
            f"over seeds, and 95 % interval of the mean (t). {study.majority}",
            "",
            markdown_table(("", *heads), rows),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
