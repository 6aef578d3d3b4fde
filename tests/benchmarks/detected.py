"""Boxes, transferred: COCO's mAP beside the same detector from scratch and untrained, over seeds.

    python tests/benchmarks/detected.py                       prints the tables
    python tests/benchmarks/detected.py --write               puts them into BENCHMARKS.md too
    python tests/benchmarks/detected.py --only scenes --labels 50

The pictures of test are those of the set. A seed fixes which of its other pictures are labelled, and the training. Of
the labelled ones a fifth, or all that the set holds for it, is val, which chooses the epoch. All arms of a column make
as many updates, over as many pictures each, and all but one, which says so, at the same size; a new head's first ones,
on frozen features, are among them. A finished cell is not run again, in another checkout either where `detected.json`
has it, which is written with the tables: delete that file when the code has changed.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from detected_untrained import SHARED
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
from processes import HERE, PYTHON, environment, timed
from sections import markdown_table

from headstart.specs import Record

KEPT = HERE / "detected.json"
NANODET, LITE0 = "nanodet/coco", "efficientnet_lite/lite0"
SIZE, LARGE, BATCH = 192, 384, 8
NATIVE = 416
"""NanoDet's own size, at which it is asked untrained as well."""
PROBE, TUNE = "probe", "fine_tune"
UPDATES: Mapping[str, int] = {PROBE: 100, TUNE: 240}
"""Of a new head on frozen features, and of everything from there; from random weights their sum, of everything."""
COLUMNS = ("path", "label", "left", "top", "right", "bottom", "area", "split")
ALONE, TUNED = (("fit", "--strategy", name, "--learning-rate", "1e-3") for name in ("probe", "lp_ft"))
"""A new head on a frozen backbone, and both ways one after the other."""
SCRATCH = ("pretrain", "--weights", "none", "--learning-rate", "1e-3")
BY_HAND = "NanoDet by hand from scratch"
ARMS: Mapping[str, tuple[str, ...]] = {
    BY_HAND: (),
    "NanoDet from scratch": (*SCRATCH, "--backbone", NANODET, "--head", "plain"),
    "lite0, new pyramid alone": (*ALONE, "--backbone", LITE0, "--head", "pyramid"),
    "lite0, new pyramid": (*TUNED, "--backbone", LITE0, "--head", "pyramid"),
    "NanoDet of COCO": (*TUNED, "--backbone", NANODET, "--head", "plain"),
    f"NanoDet of COCO at {LARGE} px": (*TUNED, "--backbone", NANODET, "--head", "plain", "--image-size", str(LARGE)),
}


@dataclass(frozen=True)
class Study:
    """One table: a set, how many labelled pictures, and what stands above it."""

    dataset: str
    labels: tuple[int, ...]
    title: str


STUDIES = {
    "scenes": Study("detection_sets/stamp_scenes", (50, 200, ALL), "Scenes of stamps, eight classes"),
    "trees": Study("detection_sets/deepforest", (50, 200, ALL), "Trees on airborne photographs, one class"),
}


def main() -> int:
    """Run what is not there yet, and print the tables."""
    given = new_parser("mAP of detectors beside controls.", out="runs/bench/detected", tables=[*STUDIES]).parse_args()
    shelf = Shelf(given.out, KEPT)
    sections = []
    for name in given.only:
        found = {}
        for cell in cells_of(name, ARMS, STUDIES[name].labels, given):
            scores = shelf.once(cell.name, partial(measured, given, cell), only_known=given.table)
            if scores is not None:
                found[cell] = scores
        if found:
            sections.append(told(name, STUDIES[name], found))
        if name == "scenes":
            sections += shared_classes(given, shelf, found)
    text = "\n\n".join(["## Boxes", "", *sections])
    print(text)
    if given.write:
        shelf.write("detected", text)
    return 0


def measured(given: argparse.Namespace, cell: Cell) -> Scores:
    """COCO's mAP and mAP at an overlap of one half, on test, of a run of ours."""
    table, train = table_of(given.out / "tables", cell)
    epochs = {phase: max(1, round(updates / -(-train // BATCH))) for phase, updates in UPDATES.items()}
    if cell.arm == BY_HAND:
        return by_hand(given, table, cell, sum(epochs.values()))
    verb, *flags = ARMS[cell.arm]
    if "lp_ft" in flags:
        flags += ["--epochs", str(epochs[TUNE]), "--set", f"strategy.probe_epochs={epochs[PROBE]}"]
    else:
        flags += ["--epochs", str(sum(epochs.values()))]
    if "--image-size" not in flags:
        flags += ["--image-size", str(SIZE)]
    document = run_of(given, cell, (verb, str(table), *flags, "--batch-size", str(BATCH)))
    metrics, classes = document["metrics"]["test"], document["report"]["test"]["per_class"]
    return scores_of(cell, metrics, {name: each["ap"] for name, each in classes.items()})


def by_hand(given: argparse.Namespace, table: Path, cell: Cell, epochs: int) -> Scores:
    """The same of the loop by hand."""
    settings = map(str, (cell.seed, SIZE, BATCH, epochs))
    _, document = timed(
        (PYTHON, HERE / "detected_by_hand.py", table, *settings), environment(**threads_of(given.threads))
    )
    return scores_of(cell, document, document["classes"])


def scores_of(cell: Cell, metrics: Mapping[str, float], classes: Mapping[str, float]) -> Scores:
    """What is kept of metrics and of the average precision of each class."""
    scores = {name: metrics[name] for name in ("map", "map50")}
    if cell.study == "scenes":
        scores["map_shared"] = statistics.fmean(classes[name] for name in SHARED)
    return scores


def untrained_at(given: argparse.Namespace, size: int) -> Scores:
    """The same of NanoDet as published, of the classes that are shared, at this size."""
    command = (PYTHON, HERE / "detected_untrained.py", str(size))
    _, scores = timed(command, environment(**threads_of(given.threads), KERAS_BACKEND="torch"))
    return scores


def table_of(folder: Path, cell: Cell) -> tuple[Path, int]:
    """The table of a cell's pictures, a box a row, and how many of them train: test as the set has it, of the others as
    many as are labelled, by the seed."""
    file = folder / f"{cell.study}-{cell.labels or 'all'}-{cell.seed}.csv"
    sides = labelled(records_of(STUDIES[cell.study].dataset), cell)
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(COLUMNS)
            for side, records in sides.items():
                table.writerows((*row, side) for record in records for row in rows_of(record))
    return file, len(sides["train"])


def rows_of(record: Record) -> list[tuple[object, ...]]:
    """A row a box, or one without; in the order of `COLUMNS`, but the side."""
    boxes = zip(*(record.target[name] for name in ("classes", "corners", "areas")), strict=True)
    rows = [(record.payload, label, *corners, area) for label, corners, area in boxes]
    return rows or [(record.payload, *[""] * 6)]


def told(name: str, study: Study, found: Mapping[Cell, Scores]) -> str:
    """A table and what it is of."""
    shown = [labels for labels in study.labels if any(cell.labels == labels for cell in found)]
    rows = []
    for backend in ("torch", "jax"):
        for arm in ARMS:
            of_arm = [
                (cell.labels, scores) for cell, scores in found.items() if (cell.arm, cell.backend) == (arm, backend)
            ]
            if of_arm:
                row = [f"{arm}, {backend}" if ARMS[arm] else arm]
                for labels in shown:
                    of_cell = [scores for number, scores in of_arm if number == labels]
                    row += [figure([scores[metric] for scores in of_cell]) for metric in ("map", "map50")]
                rows.append(row)
    heads = [f"{labels or 'all'} pictures, {metric}" for labels in shown for metric in ("map", "map50")]
    return "\n".join(
        [
            f"### {study.title}",
            "",
            f"`tests/benchmarks/detected.py --only {name}`: {study.dataset.rpartition('/')[2]} at {SIZE} px, "
            f"{UPDATES[PROBE]} updates of a new head and {UPDATES[TUNE]} of everything, {BATCH} pictures each, at a "
            "rate of 0.001, or all of them of a head alone, on a frozen backbone; COCO's mAP and that at an overlap of "
            "0.5 on test, mean over seeds, and 95 % interval of the mean (t).",
            "",
            markdown_table(("", *heads), rows),
        ]
    )


def shared_classes(given: argparse.Namespace, shelf: Shelf, found: Mapping[Cell, Scores]) -> list[str]:
    """mAP of the scenes' classes that COCO has: of NanoDet as published, and of the arms beside it."""
    untrained = {}
    for size in (SIZE, NATIVE):
        scores = shelf.once(f"untrained-{size}", partial(untrained_at, given, size), only_known=given.table)
        if scores is not None:
            untrained[size] = scores["map"]
    rows = [(f"NanoDet as published, {size} px, no labels", f"{score:.3f}") for size, score in untrained.items()]
    for arm in ARMS:
        for labels in STUDIES["scenes"].labels:
            values = [
                scores["map_shared"]
                for cell, scores in found.items()
                if (cell.arm, cell.labels, cell.backend) == (arm, labels, "torch")
            ]
            if values:
                rows.append((f"{arm}, {labels or 'all'} pictures", figure(values)))
    meant = "; ".join(f"{name} ({', '.join(of_coco)})" for name, of_coco in SHARED.items())
    section = "\n".join(
        [
            "### Scenes, the classes that COCO has as well",
            "",
            f"The mean average precision of {meant}; for NanoDet as published, COCO's classes in brackets count as "
            "these, and its other ones are left out.",
            "",
            markdown_table(("", "map"), rows),
        ]
    )
    return [section] if rows else []


if __name__ == "__main__":
    sys.exit(main())
