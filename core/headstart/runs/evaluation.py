"""Score samples through the Predictor, and write what it answered."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.atomic import write_file

if TYPE_CHECKING:
    import numpy as np

    from headstart.predictor import Predictor
    from headstart.specs import Task


@dataclass(frozen=True)
class Scored:
    """The samples of one split with their outputs: `outputs` arrays (rows, ...), `targets` encoded (rows, ...)."""

    split: str
    keys: tuple[str, ...]
    labels: tuple[Any, ...]
    targets: np.ndarray
    outputs: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Labelled:
    """Raw samples of one split."""

    split: str
    keys: tuple[str, ...]
    payloads: tuple[Any, ...]
    labels: tuple[Any, ...]


def score(predictor: Predictor, samples: Labelled, on_progress: Callable[[int, int], None] | None = None) -> Scored:
    """Answer every sample. Raises DataError naming the key of a label that the task does not know."""
    targets = predictor.task.encode(samples.labels, samples.keys)
    outputs = predictor.outputs(samples.payloads, on_progress)
    return Scored(samples.split, samples.keys, samples.labels, targets, outputs)


def measure(task: Task, scored: Sequence[Scored]) -> dict[str, dict[str, Any]]:
    """`metrics`, `intervals` and `report` by split, as plain values; None where a value is not finite."""
    return {
        "metrics": {one.split: plain(task.metrics(one.targets, one.outputs)) for one in scored},
        "intervals": {one.split: plain(task.intervals(one.targets, one.outputs)) for one in scored},
        "report": {one.split: plain(task.report(one.targets, one.outputs)) for one in scored},
    }


def plain(value: Any) -> Any:
    """Plain Python values for JSON; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def write_predictions(path: Path, task: Task, scored: Sequence[Scored]) -> None:
    """predictions.csv: key, split, target and the task's columns; floats in shortest round-trip form."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, one in enumerate(scored):
        columns = task.columns(one.outputs)
        if number == 0:
            writer.writerow(["key", "split", "target", *columns])
        for row, (key, label) in enumerate(zip(one.keys, one.labels, strict=True)):
            writer.writerow([key, one.split, label, *(_cell(values[row]) for values in columns.values())])
    write_file(path, text.getvalue().encode("utf-8", "surrogateescape"))  # a file name may be no UTF-8


def _cell(value: Any) -> str:
    value = plain(value)
    return repr(value) if isinstance(value, float) else str(value)
