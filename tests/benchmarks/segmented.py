"""Masks, transferred: mean IoU beside the same network from scratch and by hand, over seeds.

    python tests/benchmarks/segmented.py                       prints the table
    python tests/benchmarks/segmented.py --write               puts it into BENCHMARKS.md too
    python tests/benchmarks/segmented.py --labels 50 --seeds 0

The pictures of test are those of the set. A seed fixes which of its other pictures are labelled, and the training. Of
the labelled ones a fifth, or all that the set holds for it, is val, which chooses the epoch. All arms of a column make
as many updates, over as many pictures each, at the same size; a new head's first ones, on frozen features, are among
them. A finished cell is not run again, in another checkout either where `segmented.json` has it, which is written with
the table: delete that file when the code has changed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

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

from headstart.data.made import made_folder
from headstart.registry import load_registry

KEPT = HERE / "segmented.json"
DATASET, STUDY = "detection_sets/stamp_scenes", "scenes"
LABELS = (50, 200, ALL)
SIZE, BATCH = 128, 8
PROBE, TUNE = "probe", "fine_tune"
UPDATES: Mapping[str, int] = {PROBE: 80, TUNE: 160}
"""Of a new head on frozen features, and of everything from there; from random weights their sum, of everything."""
METRICS = ("miou", "pixel_accuracy")
LITE0 = ("--backbone", "efficientnet_lite/lite0", "--head", "lr_aspp", "--learning-rate", "1e-3")
HED = ("--backbone", "hed/edges", "--head", "lr_aspp", "--learning-rate", "1e-4")
"""VGG16 has no norms that would bear a tenfold rate."""
ALONE, TUNED = ("fit", "--strategy", "probe"), ("fit", "--strategy", "lp_ft")
"""A new head on a frozen backbone, and both ways one after the other."""
BY_HAND = "lite0 by hand from scratch"
ARMS: Mapping[str, tuple[str, ...]] = {
    BY_HAND: (),
    "lite0 from scratch": ("pretrain", "--weights", "none", *LITE0),
    "lite0 of ImageNet, head alone": (*ALONE, *LITE0),
    "lite0 of ImageNet": (*TUNED, *LITE0),
    "VGG16 of HED, head alone": (*ALONE, *HED[:-1], "1e-3"),
    "VGG16 of HED": (*TUNED, *HED),
}


def main() -> int:
    """Run what is not there yet, and print the table."""
    given = new_parser("Mean IoU of masks beside controls.", out="runs/bench/segmented", tables=[STUDY]).parse_args()
    shelf = Shelf(given.out, KEPT)
    found = {}
    for cell in cells_of(STUDY, ARMS, LABELS, given):
        scores = shelf.once(cell.name, partial(measured, given, cell), only_known=given.table)
        if scores is not None:
            found[cell] = scores
    text = "\n\n".join(["## Masks", *([told(found)] if found else [])])
    print(text)
    if given.write:
        shelf.write("segmented", text)
    return 0


def measured(given: argparse.Namespace, cell: Cell) -> Scores:
    """Mean IoU and the share of pixels that are right, on test."""
    table, train = table_of(given.out / "tables", cell)
    epochs = {phase: max(1, round(updates / -(-train // BATCH))) for phase, updates in UPDATES.items()}
    if cell.arm == BY_HAND:
        settings = map(str, (cell.seed, SIZE, BATCH, sum(epochs.values())))
        command = (PYTHON, HERE / "segmented_by_hand.py", table, *settings)
        _, metrics = timed(command, environment(**threads_of(given.threads)))
    else:
        verb, *flags = ARMS[cell.arm]
        if "lp_ft" in flags:
            flags += ["--epochs", str(epochs[TUNE]), "--set", f"strategy.probe_epochs={epochs[PROBE]}"]
        else:
            flags += ["--epochs", str(sum(epochs.values()))]
        shared = ("--image-size", str(SIZE), "--batch-size", str(BATCH))
        metrics = run_of(given, cell, (verb, f"masks:{table}", *flags, *shared))["metrics"]["test"]
    return {name: metrics[name] for name in METRICS}


def table_of(folder: Path, cell: Cell) -> tuple[Path, int]:
    """The table of a cell's pictures and masks, and how many of them train; the names of classes lie beside it."""
    spec = load_registry().get("datasets", DATASET)
    made = made_folder(spec, None)
    assert made is not None
    file = folder / f"{STUDY}-{cell.labels or 'all'}-{cell.seed}.csv"
    sides = labelled(records_of(DATASET), cell)
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "classes.txt").write_text((made / "masks" / "classes.txt").read_text("utf-8"), "utf-8")
        with file.open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(("path", "mask", "split"))
            for side, records in sides.items():
                for record in records:
                    picture = Path(record.payload)
                    table.writerow((picture, made / "masks" / picture.parent.name / f"{picture.stem}.png", side))
    return file, len(sides["train"])


def told(found: Mapping[Cell, Scores]) -> str:
    """The table and what it is of."""
    shown = [labels for labels in LABELS if any(cell.labels == labels for cell in found)]
    rows = []
    for backend in ("torch", "jax"):
        for arm in ARMS:
            own = [(cell.labels, each) for cell, each in found.items() if (cell.arm, cell.backend) == (arm, backend)]
            if own:
                row = [f"{arm}, {backend}" if ARMS[arm] else arm]
                for labels in shown:
                    row += [figure([each[metric] for number, each in own if number == labels]) for metric in METRICS]
                rows.append(row)
    heads = [f"{labels or 'all'} pictures, {metric}" for labels in shown for metric in METRICS]
    return "\n".join(
        [
            "### Scenes of stamps, eight classes and a background",
            "",
            f"`tests/benchmarks/segmented.py`: stamp_scenes at {SIZE} px, {UPDATES[PROBE]} updates of a new head and "
            f"{UPDATES[TUNE]} of everything, {BATCH} pictures each, at a rate of 0.001, all of VGG16 at 0.0001; a "
            "head alone has them all, on a frozen backbone. The mean intersection over union of all classes, and the "
            "share of pixels that are right, on test in pixels of the files; mean over seeds, and 95 % interval of the "
            "mean (t). Background alone has 0.093 and 0.834.",
            "",
            markdown_table(("", *heads), rows),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
