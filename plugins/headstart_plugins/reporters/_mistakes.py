"""The wrong answers of a run that were given with most confidence, from predictions.csv."""

from __future__ import annotations

import base64
import csv
import heapq
from dataclasses import dataclass, replace
from pathlib import Path

from headstart.errors import HeadstartError
from headstart.specs import Preview, RunView

MOST_CHARACTERS = 400
"""Of a text sample; the rest is cut off."""


@dataclass(frozen=True)
class Mistake:
    """One wrong answer, and its sample where it can be shown: `picture` and `sound` are data URIs."""

    key: str
    target: str
    prediction: str
    confidence: float
    picture: str | None = None
    sound: str | None = None
    text: str | None = None


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


def with_sample(mistake: Mistake, run: RunView) -> Mistake:
    """The mistake with its sample, where the data is at hand and is a picture, a sound or a text."""
    try:
        preview = run.preview(mistake.key)
    except (HeadstartError, OSError):
        return mistake
    if preview is None:
        return mistake
    kind = preview.media_type.partition("/")[0]
    if kind == "image":
        return replace(mistake, picture=_data_uri(preview))
    if kind == "audio":
        return replace(mistake, sound=_data_uri(preview))
    if preview.media_type.partition(";")[0] == "text/plain":
        text = " ".join(preview.data.decode("utf-8", "replace").split())
        return replace(mistake, text=text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "...")
    return mistake


def _data_uri(preview: Preview) -> str:
    return f"data:{preview.media_type};base64,{base64.b64encode(preview.data).decode('ascii')}"
