"""What `cold.py` compares: a backbone on some data, prepared so that every side gets the same pictures and weights."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picture_folders import picture_folder
from processes import HEADSTART, HERE, PYTHON, environment, timed

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Case:
    """A backbone by its full name, on `fashion` or `stamps`."""

    backbone: str
    data: str

    @property
    def name(self) -> str:
        """A word for folders and keys."""
        return f"{self.backbone.partition('/')[2]}-{self.data}"


CASES = (
    Case("efficientnet_lite/lite0", "fashion"),
    Case("keras_applications/mobilenetv2", "fashion"),
    Case("efficientnet_lite/lite0", "stamps"),
)


@dataclass(frozen=True)
class Prepared:
    """A case made ready: `job` is the controls' file, `flags` what ours gets, `counts` pictures by split."""

    case: Case
    folder: Path
    job: Path
    flags: tuple[str, ...]
    real_weights: bool
    size: int
    counts: Mapping[str, int]

    @property
    def told(self) -> str:
        """Model, weights, data and size, for the table."""
        weights = "" if self.real_weights else " (random weights, calibrated: speed only)"
        count = " + ".join(str(self.counts[split]) for split in SPLITS)
        data = {"fashion": "Fashion-MNIST", "stamps": "stamps"}[self.case.data]
        return f"{self.case.backbone.partition('/')[2]}{weights}, {data} {count} at {self.size} px"


def prepare(case: Case, *, count: int, epochs: int, flags: tuple[str, ...], out: Path) -> Prepared:
    """Write the pictures, the backbone's files and the controls' job. One run of ours, not measured, gives the split.

    `count` pictures of Fashion-MNIST; the tutorial trains `epochs`; `flags` go to every run of ours.
    """
    data = picture_folder(case.data, count, out / "data").resolve()
    folder = out / f"{case.name}-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    backbone = stock_backbone(case.backbone, out / "backbones" / case.name.partition("-")[0])
    own = (str(data), "--backbone", case.backbone, "--strategy", "probe", *flags)
    if not backbone["real_weights"]:
        own += ("--weights", backbone["weights_file"])
    pictures = _split(data, own, folder)
    job = {**backbone, "pictures": pictures, "classes": len({label for _, label in pictures["train"]})}
    path = folder / f"job-{epochs}-epochs.json"
    path.write_text(json.dumps({**job, "epochs": epochs}), encoding="utf-8")
    counts = {split: len(rows) for split, rows in pictures.items()}
    return Prepared(case, folder, path, own, backbone["real_weights"], backbone["size"], counts)


def stock_backbone(name: str, folder: Path) -> dict[str, Any]:
    """The files of a backbone that controls start from, written once, and what they must know of it."""
    facts = folder / "facts.json"
    if not facts.exists():
        command = (PYTHON, HERE / "stock_backbone.py", name, folder)
        _, found = timed(command, environment(KERAS_BACKEND="torch", KERAS_HOME=folder / "keras"))
        files = {"keras_file": "backbone.keras", "weights_file": "backbone.safetensors"}
        found |= {key: str((folder / file).resolve()) for key, file in files.items()}
        facts.write_text(json.dumps(found), encoding="utf-8")
    return dict(json.loads(facts.read_text(encoding="utf-8")))


def _split(data: Path, flags: tuple[str, ...], folder: Path) -> dict[str, list[tuple[str, int]]]:
    """Paths and classes by split, from the split.csv of a run."""
    kept = folder / "split.csv"
    if not kept.exists():
        run = folder / "first-run"
        shutil.rmtree(run, ignore_errors=True)
        variables = environment(HEADSTART_CACHE=folder / "first-cache")
        timed((HEADSTART, "fit", *flags, "--backend", "torch", "--out", run, "--json"), variables)
        shutil.copyfile(run / "split.csv", kept)
        for left in (run, folder / "first-cache"):
            shutil.rmtree(left, ignore_errors=True)
    with kept.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    classes = {name: number for number, name in enumerate(sorted({row["target"] for row in rows}))}
    return {
        split: [(str(data / row["key"]), classes[row["target"]]) for row in rows if row["split"] == split]
        for split in SPLITS
    }
