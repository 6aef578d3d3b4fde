"""A run as reporters see one: what it tells and what it writes, made up."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart.data.split_file import Split, SplitRow, write_split
from headstart.eventlog import EVENTS, read_all_events, read_events
from headstart.events import Event, RunFinished, RunStarted, to_line
from headstart.manifest import ARTEFACT, RUN
from headstart.specs import Preview, Reporter

RECORDED = Path(__file__).with_suffix(".jsonl")
"""The events, as the run's own log would hold them: two phases, the first solved in closed form. One of the classes is
a name that a page must escape, one that a table must quote; what could not be measured is None."""


def recorded_events(*, has_test: bool = True) -> list[Event]:
    """The whole run, in order, with what was told before it started; as one that held no sample out, where it has no
    test side."""
    events = read_all_events(RECORDED)
    return events if has_test else [_without_test(event) for event in events]


def _without_test(event: Event) -> Event:
    if isinstance(event, RunStarted):
        return replace(event, samples={**event.samples, "test": 0})
    if not isinstance(event, RunFinished):
        return event
    absent = {name: {**event.result[name], "test": None} for name in ("metrics", "intervals", "report")}
    samples = {**event.result["samples"], "test": 0}
    why = "no sample was held out: split.test is 0; val chose the epoch, so its figures flatter"
    return replace(event, result={**event.result, **absent, "samples": samples, "no_test": why})


RECIPE = f"""\
schema = "{RUN}"
data = "photos"
backbone = "efficientnet_lite/lite0"
strategy = "lp_ft"
reporters = ["console"]

[fit]
epochs = 3
batch_size = 32
"""
ENVIRONMENT = {"python": "3.11.2", "versions": {"keras": "3.15.1", "torch": "2.13.0"}, "threads": 2, "plugins": []}


@dataclass
class RecordedRun:
    """The folder of a run as reporters see it; fulfils RunView. `has_samples` says whether the data is at hand,
    `has_test` whether the run has a test side."""

    path: Path
    has_samples: bool = True
    has_test: bool = True

    def payload(self, key: str) -> Any | None:
        """The bytes of that picture."""
        shown = self.preview(key)
        return None if shown is None else shown.data

    def preview(self, key: str) -> Preview | None:
        """A small picture, another one for each key."""
        from PIL import Image

        if not self.has_samples:
            return None
        picture = io.BytesIO()
        Image.new("RGB", (32, 24), (sum(key.encode()) % 256, 120, 160)).save(picture, "PNG")
        return Preview("image/png", picture.getvalue())

    def detailed_preview(self, key: str) -> Preview | None:
        """The same."""
        return self.preview(key)

    def happen(self, reporters: Sequence[Reporter], events: Sequence[Event] | None = None) -> None:
        """Live: write each file when a run does, and tell each event. An exception of a reporter comes out."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
        (self.path / "environment.json").write_text(json.dumps(ENVIRONMENT, indent=2), encoding="utf-8")
        rows = tuple(SplitRow(key, split, target, None, "0" * 64) for key, split, target, _ in self._answers())
        write_split(Split(rows), self.path / "split.csv")
        for event in recorded_events(has_test=self.has_test) if events is None else events:
            if isinstance(event, RunFinished):
                self._finish(event.result)
            with (self.path / EVENTS).open("a", encoding="utf-8") as log:
                log.write(to_line(event) + "\n")
            for reporter in reporters:
                reporter.on_event(event, self)

    def _finish(self, result: Mapping[str, Any]) -> None:
        """Write what a run writes at its end."""
        classes = result["classes"]
        artefact = self.path / "artefact"
        artefact.mkdir(exist_ok=True)
        (artefact / "manifest.json").write_text(f'{{"schema": "{ARTEFACT}", "files": {{}}}}\n', encoding="utf-8")
        (artefact / "labels.json").write_text(json.dumps({"classes": classes}), encoding="utf-8")
        (self.path / "result.json").write_text(json.dumps(result, indent=2), encoding="utf-8")
        with (self.path / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["key", "split", "target", "prediction", "confidence", *(f"p:{name}" for name in classes)])
            for number, (key, split, target, predicted) in enumerate(self._answers()):
                sure = 0.5 + (number * 37 % 100) / 201
                shares = [sure if name == predicted else (1 - sure) / 2 for name in classes]
                table.writerow([key, split, target, predicted, sure, *shares])

    def tell_again(self, reporter: Reporter) -> None:
        """A replay: the events as the folder holds them."""
        for event in read_events(self.path / EVENTS):
            reporter.on_event(event, self)

    def _answers(self) -> Iterator[tuple[str, str, str, str]]:
        """Key, split, label and answer of each evaluated sample, as often as the confusion matrix says."""
        result = next(event.result for event in recorded_events() if isinstance(event, RunFinished))
        classes, confusions = result["classes"], result["report"]["test"]["confusion_matrix"]
        for split in ("val", "test") if self.has_test else ("val",):
            number = 0
            for target, row in zip(classes, confusions, strict=True):
                for predicted, count in zip(classes, row, strict=True):
                    for _ in range(count):
                        number += 1
                        yield f"{split}/{number:03d}.png", split, target, predicted
