"""The wrong answers of a run that were given with most confidence, from predictions.csv."""

from __future__ import annotations

import base64
import csv
import heapq
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import HeadstartError
from headstart.specs import RunView

SHOWN_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")


@dataclass(frozen=True)
class Mistake:
    """One wrong answer; `picture` is a data URI, or None where the sample cannot be shown."""

    key: str
    target: str
    prediction: str
    confidence: float
    picture: str | None = None


@dataclass(frozen=True)
class Mistakes:
    """The shown ones, most confident first, and how many there are of how many test samples."""

    shown: tuple[Mistake, ...]
    wrong: int
    samples: int


def find_mistakes(predictions: Path, limit: int) -> Mistakes | None:
    """Read the test rows of predictions.csv in one pass; None without prediction and confidence columns.

    Of equal confidence, the smaller key comes first.
    """
    if not predictions.is_file():
        return None
    wrong: list[Mistake] = []
    samples = 0
    with predictions.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if not {"key", "split", "target", "prediction", "confidence"} <= set(rows.fieldnames or ()):
            return None
        for row in rows:
            if row["split"] != "test":
                continue
            samples += 1
            if row["prediction"] != row["target"]:
                sure = float(row["confidence"])
                wrong.append(Mistake(row["key"], row["target"], row["prediction"], sure))
    shown = heapq.nsmallest(limit, wrong, key=lambda mistake: (-mistake.confidence, mistake.key))
    return Mistakes(tuple(shown), len(wrong), samples)


def with_picture(mistake: Mistake, run: RunView) -> Mistake:
    """The mistake with its sample as a data URI, where the data is at hand and is a picture."""
    try:
        preview = run.preview(mistake.key)
    except (HeadstartError, OSError):
        return mistake
    if preview is None or preview.media_type not in SHOWN_TYPES:
        return mistake
    encoded = base64.b64encode(preview.data).decode("ascii")
    picture = f"data:{preview.media_type};base64,{encoded}"
    return Mistake(mistake.key, mistake.target, mistake.prediction, mistake.confidence, picture)
