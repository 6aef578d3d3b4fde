"""A run as reporters see one: what it tells and what it writes, made up."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.data.split_file import Split, SplitRow, write_split
from headstart.eventlog import EVENTS, read_events
from headstart.events import (
    CheckpointSaved,
    EpochDone,
    Event,
    PhaseDone,
    PhaseStarted,
    Progress,
    RunFinished,
    RunStarted,
    Warned,
    to_line,
)
from headstart.manifest import ARTEFACT, RUN
from headstart.specs import Preview, Reporter

FOLDER = "runs/recorded"
BACKBONE, STRATEGY = "efficientnet_lite/lite0", "lp_ft"
CLASSES = ("cat", "dog & <fox>", "hén,\n2")
"""One that a page must escape, one that a table must quote."""
CONFUSIONS = ((18, 2, 0), (1, 15, 4), (0, 0, 20))
START = 1_700_000_000.0
SAMPLES = {"train": 192, "val": 48, "test": 60}
PARAMETERS = {"total": 3_416_867, "trainable": 3_416_867}


def recorded_result() -> dict[str, Any]:
    """What result.json holds; what could not be measured is None."""
    per_class: dict[str, dict[str, float | None]] = {
        name: {"precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 20} for name in CLASSES
    }
    per_class[CLASSES[2]] = {"precision": None, "recall": 1.0, "f1": None, "support": 20}
    return {
        "run": FOLDER,
        "backend": "torch",
        "task": "classification",
        "backbone": BACKBONE,
        "strategy": STRATEGY,
        "primary_metric": "accuracy",
        "higher_is_better": True,
        "classes": list(CLASSES),
        "samples": SAMPLES,
        "metrics": {
            "val": {"loss": 0.21, "accuracy": 0.9375, "macro_f1": 0.93},
            "test": {"loss": 0.3021, "accuracy": 0.8833, "macro_f1": 0.8805, "balanced_accuracy": None},
        },
        "intervals": {"test": {"accuracy": [0.7785, 0.9423], "macro_f1": [0.79, 0.95]}},
        "baseline": {"majority_accuracy": 0.3333},
        "parameters": PARAMETERS,
        "report": {"test": {"confusion_matrix": [list(row) for row in CONFUSIONS], "per_class": per_class}},
        "split_hash": "3f5a" * 16,
        "phases": [],
        "resumed": [],
        "seconds": {"total": 95.3, "features": 12.1, "train": 70.0, "evaluate": 5.0},
        "warnings": ["3 samples converted from CMYK"],
    }


def recorded_events() -> tuple[Event, ...]:
    """The whole run, in order."""
    return (
        Progress(time=START - 2, activity="read", done=150, total=300, unit="samples"),
        Progress(time=START - 1, activity="read", done=300, total=300, unit="samples"),
        RunStarted(
            time=START,
            run=FOLDER,
            backend="torch",
            backbone=BACKBONE,
            weights="imagenet",
            task="classification",
            strategy=STRATEGY,
            primary_metric="accuracy",
            higher_is_better=True,
            classes=CLASSES,
            samples=SAMPLES,
            parameters=PARAMETERS,
            phases=("probe", "fine_tune"),
        ),
        Warned(time=START + 1, message="3 samples converted from CMYK"),
        Progress(time=START + 2, activity="features", done=0, total=240, unit="samples", phase="probe"),
        Progress(time=START + 9, activity="features", done=240, total=240, unit="samples", phase="probe"),
        *_probe(START + 10),
        *_fine_tune(START + 30),
        Warned(time=START + 120, message="no epoch was better than the start", hint="try a smaller --learning-rate"),
        Progress(time=START + 130, activity="evaluate", done=108, total=108, unit="samples"),
        RunFinished(time=START + 140, result=recorded_result()),
    )


def _probe(time: float) -> Iterator[Event]:
    """A closed-form phase: an epoch is one strength."""
    yield PhaseStarted(
        time=time,
        phase="probe",
        index=0,
        count=2,
        epochs=3,
        steps=3,
        solver="closed_form",
        cut="head",
        cached=("input", "stem", "top"),
        trainable={"head": 3843},
        rates={},
    )
    for number, strength in enumerate((1.0, 0.1, 0.01), start=1):
        yield _epoch(time + number, "probe", number, strength=strength, rates={})
    yield _done(time + 4, "probe")


def _fine_tune(time: float) -> Iterator[Event]:
    """A gradient phase with progress inside its epochs, and a checkpoint after each."""
    rates = {"stem": 1e-4, "top": 3e-4, "head": 1e-3}
    yield PhaseStarted(
        time=time,
        phase="fine_tune",
        index=1,
        count=2,
        epochs=3,
        steps=18,
        solver="gradient",
        cut="stem",
        cached=(),
        trainable={"stem": 928, "top": 412_160, "head": 3843},
        rates=rates,
    )
    for number in (1, 2, 3):
        for part in (0, 1, 2):
            yield Progress(
                time=time + 20 * number + 5 * part,
                activity="train",
                done=96 * part,
                total=192,
                unit="samples",
                phase="fine_tune",
                epoch=number,
                epochs=3,
                metrics={"loss": 0.7 / number} if part else {},
            )
        yield _epoch(time + 20 * number + 15, "fine_tune", number, strength=None, rates=rates)
        yield CheckpointSaved(
            time=time + 20 * number + 16, path=f"step.{6 * number}", step=6 * number, best=number <= 2
        )
    yield _done(time + 80, "fine_tune")


def _epoch(time: float, phase: str, number: int, *, strength: float | None, rates: Mapping[str, float]) -> Event:
    return EpochDone(
        time=time,
        phase=phase,
        epoch=number,
        epochs=3,
        train={"loss": 0.9 / number, "accuracy": 0.8 + 0.05 * number},
        val={"loss": (0.8, 0.55, 0.6)[number - 1], "accuracy": (0.7, 0.875, 0.86)[number - 1]},
        rates=rates,
        seconds=0.4 * number,
        best=number <= 2,
        strength=strength,
    )


def _done(time: float, phase: str) -> Event:
    best = {"accuracy": 0.875, "loss": 0.55}
    return PhaseDone(
        time=time, phase=phase, best_epoch=2, best=best, reason="all epochs", frozen_verified=98, seconds=9.5
    )


RECIPE = f"""\
schema = "{RUN}"
data = "photos"
backbone = "{BACKBONE}"
strategy = "{STRATEGY}"
reporters = ["console"]

[fit]
epochs = 3
batch_size = 32
"""
ENVIRONMENT = {"python": "3.11.2", "versions": {"keras": "3.15.1", "torch": "2.13.0"}, "threads": 2, "plugins": []}


@dataclass
class RecordedRun:
    """The folder of a run as reporters see it; fulfils RunView. `has_samples` says whether the data is at hand."""

    path: Path
    has_samples: bool = True

    def preview(self, key: str) -> Preview | None:
        """A small picture, another one for each key."""
        from PIL import Image

        if not self.has_samples:
            return None
        picture = io.BytesIO()
        Image.new("RGB", (32, 24), (sum(key.encode()) % 256, 120, 160)).save(picture, "PNG")
        return Preview("image/png", picture.getvalue())

    def happen(self, reporters: Sequence[Reporter], events: Sequence[Event] | None = None) -> None:
        """Live: write each file when a run does, and tell each event. An exception of a reporter comes out."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
        (self.path / "environment.json").write_text(json.dumps(ENVIRONMENT, indent=2), encoding="utf-8")
        rows = tuple(SplitRow(key, split, target, None, "0" * 64) for key, split, target, _ in _answers())
        write_split(Split(rows), self.path / "split.csv")
        for event in recorded_events() if events is None else events:
            if isinstance(event, RunFinished):
                self._finish()
            with (self.path / EVENTS).open("a", encoding="utf-8") as log:
                log.write(to_line(event) + "\n")
            for reporter in reporters:
                reporter.on_event(event, self)

    def _finish(self) -> None:
        """Write what a run writes at its end."""
        artefact = self.path / "artefact"
        artefact.mkdir(exist_ok=True)
        (artefact / "manifest.json").write_text(f'{{"schema": "{ARTEFACT}", "files": {{}}}}\n', encoding="utf-8")
        (artefact / "labels.json").write_text(json.dumps({"classes": CLASSES}), encoding="utf-8")
        (self.path / "result.json").write_text(json.dumps(recorded_result(), indent=2), encoding="utf-8")
        with (self.path / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["key", "split", "target", "prediction", "confidence", *(f"p:{name}" for name in CLASSES)])
            for number, (key, split, target, predicted) in enumerate(_answers()):
                sure = 0.5 + (number * 37 % 100) / 201
                shares = [sure if name == predicted else (1 - sure) / 2 for name in CLASSES]
                table.writerow([key, split, target, predicted, sure, *shares])

    def tell_again(self, reporter: Reporter) -> None:
        """A replay: the events as the folder holds them."""
        for event in read_events(self.path / EVENTS):
            reporter.on_event(event, self)


def _answers() -> Iterator[tuple[str, str, str, str]]:
    """Key, split, label and answer of each evaluated sample, as often as the confusion matrix says."""
    for split in ("val", "test"):
        number = 0
        for target, row in zip(CLASSES, CONFUSIONS, strict=True):
            for predicted, count in zip(CLASSES, row, strict=True):
                for _ in range(count):
                    number += 1
                    yield f"{split}/{number:03d}.png", split, target, predicted
