"""A run as its events and files say it: lp_ft on three classes, one of them named to break a page."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image

from headstart.events import (
    CheckpointSaved,
    EpochDone,
    Event,
    Noted,
    PhaseDone,
    PhaseStarted,
    Progress,
    RunFinished,
    RunStarted,
    Warned,
)
from headstart.specs import Preview

CLASSES = ("<script>alert(1)</script>", "cat\x1b[31m", "dog")
MATRIX = [[18, 2, 0], [1, 15, 4], [0, 0, 20]]
START = 1_700_000_000.0
STRENGTHS = (1.0, 0.1, 0.01, 0.001, 0.0001)


def result(run: str) -> dict:
    """What result.json holds."""
    per_class = {name: {"precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 20} for name in CLASSES[:2]} | {
        CLASSES[2]: {"precision": None, "recall": 1.0, "f1": 0.9, "support": 20}
    }
    return {
        "run": run,
        "backend": "torch",
        "task": "classification",
        "backbone": "efficientnet_lite/lite0",
        "strategy": "lp_ft",
        "primary_metric": "accuracy",
        "higher_is_better": True,
        "classes": list(CLASSES),
        "samples": {"train": 192, "val": 48, "test": 60},
        "metrics": {
            "val": {"loss": 0.21, "accuracy": 0.9375, "macro_f1": 0.93},
            "test": {"loss": 0.3021, "accuracy": 0.8833, "macro_f1": 0.8805, "balanced_accuracy": None},
        },
        "intervals": {"test": {"accuracy": [0.7785, 0.9423], "macro_f1": [0.79, 0.95]}},
        "baseline": {"majority_accuracy": 0.3333},
        "parameters": {"total": 3_374_851, "trainable": 3_374_851},
        "report": {"test": {"confusion_matrix": MATRIX, "per_class": per_class}},
        "split_hash": "3f5a" * 16,
        "phases": [],
        "seconds": {"total": 95.3, "features": 12.1, "train": 70.0, "evaluate": 5.0},
        "warnings": ["3 images were converted from CMYK"],
        "notes": ["4 images <turned>"],
    }


def _probe(time: float) -> list[Event]:
    vals = (0.71, 0.83, 0.875, 0.86, 0.85)
    started = PhaseStarted(
        time=time,
        phase="probe",
        index=0,
        count=2,
        epochs=5,
        steps=5,
        solver="closed_form",
        cut="head",
        cached=("input", "stem", "top"),
        trainable={"head": 3843},
        rates={},
    )
    epochs = [
        EpochDone(
            time=time + number,
            phase="probe",
            epoch=number,
            epochs=5,
            train={"loss": 0.9 / number, "accuracy": min(1.0, 0.8 + 0.05 * number)},
            val={"loss": (0.8, 0.55, 0.44, 0.47, 0.6)[number - 1], "accuracy": vals[number - 1]},
            rates={},
            seconds=0.4,
            best=number <= 3,
            strength=STRENGTHS[number - 1],
        )
        for number in range(1, 6)
    ]
    done = PhaseDone(
        time=time + 6,
        phase="probe",
        best_epoch=3,
        best={"accuracy": 0.875, "loss": 0.44},
        reason="all strengths",
        frozen_verified=294,
        seconds=2.0,
    )
    return [started, *epochs, done]


def _fine_tune(time: float) -> list[Event]:
    rates = {"stem": 3e-4, "stage1": 3e-4, "head": 9e-4}
    events: list[Event] = [
        PhaseStarted(
            time=time,
            phase="fine_tune",
            index=1,
            count=2,
            epochs=4,
            steps=24,
            solver="gradient",
            cut="stem",
            cached=(),
            trainable={"stem": 928, "stage1": 3_370_080, "head": 3843},
            rates=rates,
            warmup=2,
            optimizer="adamw",
            schedule="cosine",
        )
    ]
    for epoch in range(1, 5):
        begun = time + 20 * epoch
        events += [
            Progress(
                time=begun + 10 * part,
                activity="train",
                done=96 * part,
                total=192,
                unit="samples",
                phase="fine_tune",
                epoch=epoch,
                epochs=4,
                metrics={"loss": 0.7 / epoch},
            )
            for part in (0, 1, 2)
        ]
        events.append(
            EpochDone(
                time=begun + 19,
                phase="fine_tune",
                epoch=epoch,
                epochs=4,
                train={"loss": 0.7 / epoch},
                val={
                    "loss": (0.4, 0.3, 0.21, 0.24)[epoch - 1],
                    "accuracy": (0.85, 0.9, 0.9375, 0.92)[epoch - 1],
                },
                rates=rates,
                seconds=17.5,
                best=epoch <= 3,
            )
        )
        events.append(CheckpointSaved(time=begun + 19, path=f"step.{epoch * 6}", step=epoch * 6, best=epoch <= 3))
    done = PhaseDone(
        time=time + 100,
        phase="fine_tune",
        best_epoch=3,
        best={"accuracy": 0.9375, "loss": 0.21},
        reason="all epochs",
        frozen_verified=98,
        seconds=70.0,
    )
    return [*events, done]


def events(run: str) -> list[Event]:
    """Every kind of event, in the order of a run."""
    return [
        Progress(time=START - 2, activity="read", done=150, total=300, unit="samples"),
        Progress(time=START - 1, activity="read", done=300, total=300, unit="samples"),
        RunStarted(
            time=START,
            run=run,
            backend="torch",
            backbone="efficientnet_lite/lite0",
            weights="imagenet",
            task="classification",
            strategy="lp_ft",
            primary_metric="accuracy",
            higher_is_better=True,
            classes=CLASSES,
            samples={"train": 192, "val": 48, "test": 60},
            parameters={"total": 3_374_851, "trainable": 3_374_851},
            phases=("probe", "fine_tune"),
        ),
        Warned(time=START + 1, message="3 images were converted from CMYK", hint="nothing to do\x07"),
        Noted(time=START + 1, message="4 images <turned>", hint="as their\x07 EXIF says"),
        Progress(time=START + 2, activity="features", done=0, total=240, unit="samples", phase="probe"),
        Progress(time=START + 14, activity="features", done=240, total=240, unit="samples", phase="probe"),
        *_probe(START + 15),
        *_fine_tune(START + 30),
        RunFinished(time=START + 140, result=result(run)),
    ]


@dataclass(frozen=True)
class RecordedRun:
    """A run folder with previews made on the spot; fulfils RunView."""

    path: Path

    def events(self, run: str = "runs/x") -> list[Event]:
        """Every event, told of a run named `run`."""
        return events(run)

    def untested(self) -> list[Event]:
        """The events of the same run without a test side: its answers on val are what is reported."""
        *before, finished = self.events(str(self.path))
        whole = finished.result
        absent = {group: {"val": whole[group]["test"], "test": None} for group in ("intervals", "report")}
        metrics = {"val": whole["metrics"]["val"], "test": None}
        samples = {**whole["samples"], "test": 0}
        why = "no sample was held out: split.test is 0; val chose the epoch, so its figures flatter"
        result = {**whole, **absent, "metrics": metrics, "samples": samples, "no_test": why}
        started = [replace(each, samples=samples) if isinstance(each, RunStarted) else each for each in before]
        return [*started, replace(finished, result=result)]

    def result(self, run: str = "runs/x") -> dict:
        """The result of a run named `run`."""
        return result(run)

    def preview(self, key: str) -> Preview | None:
        """A small coloured square; none for `test/8`."""
        if key == "test/8":
            return None
        picture = io.BytesIO()
        Image.new("RGB", (48, 48), (40 * (int(key[-1]) % 6), 120, 160)).save(picture, "PNG")
        return Preview("image/png", picture.getvalue())

    def detailed_preview(self, key: str) -> Preview | None:
        """The same."""
        return self.preview(key)


@pytest.fixture
def run(tmp_path):
    """The run folder as it is when RunFinished is heard."""
    return write_run(tmp_path / "run")


@pytest.fixture(scope="module")
def recorded_run(tmp_path_factory):
    """The same, shared by the tests of a module: only to be read."""
    return write_run(tmp_path_factory.mktemp("recorded") / "run")


def write_run(folder: Path) -> RecordedRun:
    """The files that exist when RunFinished is heard."""
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(result(str(folder))), encoding="utf-8")
    (folder / "recipe.toml").write_text('backbone = "lite0"\nnote = "<b>mine</b>"\n', encoding="utf-8")
    environment = {"python": "3.11.2", "versions": {"keras": "3.15.1", "torch": "2.13.0"}, "threads": 2}
    (folder / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    _write_predictions(folder / "predictions.csv")
    return RecordedRun(folder)


def _write_predictions(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "split", "target", "prediction", "confidence", *(f"p:{n}" for n in CLASSES)])
        number = 0
        for split in ("val", "test"):
            for true, row in enumerate(MATRIX):
                for predicted, amount in enumerate(row):
                    for _ in range(amount):
                        number += 1
                        sure = 0.5 + (number * 37 % 100) / 201
                        cells = [f"{split}/{number}", split, CLASSES[true], CLASSES[predicted], sure]
                        writer.writerow([*cells, 0.1, 0.1, 0.1])
