"""Which answers of a run are explained: the most confident ones in predictions.csv, wrong and right."""

from __future__ import annotations

import csv
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.documents import FILE_NAMES
from headstart.errors import UsageError
from headstart_plugins._target_texts import labels_of

PROBABILITY = "p:"


@dataclass(frozen=True)
class Answer:
    """One row of predictions.csv, and which `unit` of the head's output is explained, by its `name`.

    That is the most probable class or label, whose probability is the `confidence`; a number has no name and no
    confidence. `miss` is how far off the answer is: 0 or 1, of numbers the distance.
    """

    key: str
    target: str
    prediction: str
    unit: int
    name: str
    confidence: float | None
    miss: float


def read_answers(path: Path, side: str) -> Iterator[Answer]:
    """The answers of one side, in order. Raises UsageError where there is no file, or where answers are neither
    classes, labels nor one number."""
    if not path.is_file():
        raise UsageError(f"{path} is not there; attributions need a run's answers")
    with path.open(newline="", encoding="utf-8", errors=FILE_NAMES) as file:
        rows = csv.DictReader(file)
        columns = tuple(rows.fieldnames or ())
        names = [column.removeprefix(PROBABILITY) for column in columns if column.startswith(PROBABILITY)]
        if not names and columns[3:] != ("prediction",):
            raise UsageError(f"{path} has columns {', '.join(columns)}; attributions are for labels or a number")
        for row in rows:
            if row["split"] == side:
                yield _labelled(row, names, several="confidence" not in columns) if names else _number(row, path)


def _labelled(row: Mapping[str, str], names: Sequence[str], *, several: bool) -> Answer:
    shares = [float(row[PROBABILITY + name]) for name in names]
    unit = max(range(len(names)), key=shares.__getitem__)
    given, true = row["prediction"], row["target"]
    wrong = float(set(labels_of(given)) != set(labels_of(true)) if several else given != true)
    return Answer(row["key"], row["target"], row["prediction"], unit, names[unit], shares[unit], wrong)


def _number(row: Mapping[str, str], path: Path) -> Answer:
    try:
        miss = abs(float(row["prediction"]) - float(row["target"]))
    except ValueError as exc:
        raise UsageError(f"{path}: {row['key']} is answered with {row['prediction']!r}, which is no number") from exc
    return Answer(row["key"], row["target"], row["prediction"], 0, "", None, miss)


def chosen(answers: Sequence[Answer], *, mistakes: int, right: int) -> tuple[Answer, ...]:
    """The most confident wrong answers, then the most confident right ones; of numbers those that miss most, then those
    that miss least. Of equal ones the smaller key comes first."""
    wrong = [each for each in answers if each.miss]
    worst = heapq.nsmallest(mistakes, wrong, key=lambda each: (-each.miss, -(each.confidence or 0.0), each.key))
    rest = [each for each in answers if not each.miss or (each.confidence is None and each not in worst)]
    best = heapq.nsmallest(right, rest, key=lambda each: (each.miss, -(each.confidence or 0.0), each.key))
    return (*worst, *best)
