"""A recorded run's folder, written as a run writes it: some files at its start, others before its last event."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.eventlog import EVENTS, read_events
from headstart.events import Event, RunFinished, to_line
from headstart.schemas import ARTEFACT, RUN
from headstart.specs import Preview, Reporter
from headstart.testing.reporters.recorded_events import (
    BACKBONE,
    CLASSES,
    CONFUSIONS,
    STRATEGY,
    recorded_events,
    recorded_result,
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
        return Preview("image/png", _picture(key)) if self.has_samples else None

    def happen(self, reporters: Sequence[Reporter], events: Sequence[Event] | None = None) -> None:
        """Live: write each file when a run does, and tell each event. An exception of a reporter comes out."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
        (self.path / "environment.json").write_text(json.dumps(ENVIRONMENT, indent=2), encoding="utf-8")
        rows = [["key", "split", "target", "group", "content_hash"]]
        rows += [[key, split, target, "", "0" * 64] for key, split, target, _ in _answers()]
        _write_table(self.path / "split.csv", rows)
        for event in recorded_events() if events is None else events:
            if isinstance(event, RunFinished):
                artefact = self.path / "artefact"
                artefact.mkdir(exist_ok=True)
                (artefact / "manifest.json").write_text(
                    f'{{"schema": "{ARTEFACT}", "files": {{}}}}\n', encoding="utf-8"
                )
                (artefact / "labels.json").write_text(json.dumps({"classes": CLASSES}), encoding="utf-8")
                header = ["key", "split", "target", "prediction", "confidence", *(f"p:{name}" for name in CLASSES)]
                _write_table(self.path / "predictions.csv", [header, *_predictions()])
                (self.path / "result.json").write_text(json.dumps(recorded_result(), indent=2), encoding="utf-8")
            with (self.path / EVENTS).open("a", encoding="utf-8") as log:
                log.write(to_line(event) + "\n")
            for reporter in reporters:
                reporter.on_event(event, self)

    def tell_again(self, reporter: Reporter) -> None:
        """A replay: the events as the folder holds them."""
        for event in read_events(self.path / EVENTS):
            reporter.on_event(event, self)


def _picture(key: str) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (32, 24), (sum(key.encode()) % 256, 120, 160)).save(stream, "PNG")
    return stream.getvalue()


def _predictions() -> Iterator[list[Any]]:
    for number, (key, split, target, predicted) in enumerate(_answers()):
        sure = 0.5 + (number * 37 % 100) / 201
        rest = (1 - sure) / 2
        yield [key, split, target, predicted, sure, *(sure if name == predicted else rest for name in CLASSES)]


def _answers() -> Iterator[tuple[str, str, str, str]]:
    """Key, split, label and answer of each evaluated sample, as often as the confusion matrix says."""
    for split in ("val", "test"):
        number = 0
        for target, row in zip(CLASSES, CONFUSIONS, strict=True):
            for predicted, count in zip(CLASSES, row, strict=True):
                for _ in range(count):
                    number += 1
                    yield f"{split}/{number:03d}.png", split, target, predicted


def _write_table(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
