"""Movie sentences as a table that both sides read."""

from __future__ import annotations

import csv
from pathlib import Path

from headstart.registry import load_registry

COLUMNS = ("text", "label")


def sentence_table(folder: Path, count: int) -> Path:
    """`movie-COUNT.csv` in `folder`: text and label of that many sentences, evenly spread over all; more than there are
    come again, with a number before their text."""
    from headstart.data.made import made_folder
    from headstart.specs import DatasetRequest

    path = folder / f"movie-{count}.csv"
    if not path.exists():
        registry = load_registry()
        spec = registry.get("datasets", "text_sets/movie_sentences")
        request = DatasetRequest(None, spec.options(), made=made_folder(spec, None))
        items = registry.load_target(spec, spec.build)(request).items
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for number in range(count):
                record = items[number * len(items) // count if count <= len(items) else number % len(items)]
                again = number // len(items)
                text = f"{again} {record.payload}" if again else record.payload
                writer.writerow((text, record.target))
    return path
