"""What a user sets where a finished run is asked: tiles of large inputs, how its task answers, how data is read.

What a task answers by, its `answer_options`, may stand in the table `predict` too: predict.beams is task.beams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from headstart.errors import UsageError
from headstart.options import Text, option, parse_options
from headstart.specs import TaskSpec

MOST_SHARED = 0.9
"""Of a tile by its neighbour: each pixel lies in a hundred tiles then."""


@dataclass(frozen=True)
class Tiling:
    """Tiles of `side` elements along each axis, pixels of a picture; neighbours share `overlap` of them."""

    side: int
    overlap: int


@dataclass(frozen=True)
class PredictOptions:
    """The table `predict`: how a finished run answers."""

    tile: int | None = option(
        None,
        "Side in pixels of the tiles that larger inputs are cut into, each answered by itself; none if unset.",
        low=1,
        high=65536,
    )
    overlap: float = option(
        0.2,
        "What neighbouring tiles share: below 1 a share of the tile's side, from 1 on whole pixels; nine tenths of it "
        "at most. What is no larger is whole in at least one tile.",
        low=0,
    )
    lines: bool = option(
        False,
        "Each line of a text file, or of those in a folder, is an input by itself, of texts; empty lines are none. "
        "Else a file is one text.",
    )

    def __post_init__(self) -> None:
        """Raises ValueError for an overlap that is no whole number of pixels, or leaves too little of a tile."""
        if self.overlap >= 1 and self.overlap != int(self.overlap):
            raise ValueError(f"overlap is {self.overlap:g}; expected a share below 1 or whole pixels")
        if self.tile is None or self.tiling is None:
            return
        if self.tiling.overlap >= self.tile:
            raise ValueError(f"overlap is {self.overlap:g}, not less than the tile, which is {self.tile}")
        most = int(MOST_SHARED * self.tile)
        if self.tiling.overlap > most:
            raise ValueError(
                f"overlap is {self.overlap:g}; of a tile of {self.tile} at most {most} pixels are shared, or each "
                "pixel would be answered more than a hundred times"
            )

    @property
    def tiling(self) -> Tiling | None:
        """The tiles, None where there are none; an overlap that is a share in whole pixels, the nearest number."""
        if self.tile is None:
            return None
        return Tiling(self.tile, round(self.overlap * self.tile) if self.overlap < 1 else int(self.overlap))


PREDICT, TASK, DATASET = "predict", "task", "dataset"
TABLES = (PREDICT, TASK, DATASET)
OWN = frozenset(each.name for each in fields(PredictOptions))


@dataclass(frozen=True)
class Asked:
    """The settings of one command: `options` of the table `predict`, values of the task's `answer_options`, and those
    of `data`, as written."""

    options: PredictOptions
    task: Mapping[str, Any]
    data: tuple[str, ...]


def read_settings(sets: Sequence[str], task: TaskSpec) -> Asked:
    """The settings `sets`, as of `--set`, for a run of this task. Raises UsageError naming one that is of no finished
    run, or whose value does not fit."""
    values: dict[str, dict[str, Any]] = {PREDICT: {}, TASK: {}}
    data = []
    for written in sets:
        key, equals, value = written.partition("=")
        table, _, name = key.strip().partition(".")
        if table == PREDICT and name in task.answer_options and name not in OWN:
            table = TASK
        is_own = table == PREDICT and name in OWN
        if table not in TABLES or not (is_own or table == DATASET or name in task.answer_options):
            raise UsageError(f"--set {written}: a finished run takes {_known(task)} alone", hint=_EXAMPLES)
        if table == DATASET:
            data.append(written)
            continue
        if not equals:
            raise UsageError(f"--set {written}: expected key=value", hint=_EXAMPLES)
        text = Text(value.strip())
        if values[table].get(name, text) != text:
            raise UsageError(f"--set {table}.{name}: given twice: {values[table][name]} and {text}")
        values[table][name] = text
    options = parsed(PredictOptions, values[PREDICT], PREDICT)
    if options.tile is None and "overlap" in values[PREDICT]:
        raise UsageError(
            "--set predict.overlap: there are no tiles", hint="add --set predict.tile=640, or leave it out"
        )
    parsed(task.options, values[TASK], TASK)
    return Asked(options, values[TASK], tuple(data))


def verify_files_have_a_place(sets: Sequence[str], task: TaskSpec, folder: Path | None) -> None:
    """Raises UsageError for a setting that asks for files where there is no folder for them."""
    if folder is not None:
        return
    values = read_settings(sets, task).task
    options = parsed(task.options, values, TASK)
    for name in task.file_options:
        if name in values and getattr(options, name):
            raise UsageError(f"--set {PREDICT}.{name}: no folder is named for the files", hint="add --out DIR")


_EXAMPLES = "such as predict.tile=640 or dataset.folder=DIR"


def _known(task: TaskSpec) -> str:
    names = [*(f"{PREDICT}.{each.name}" for each in fields(PredictOptions))]
    names += [f"{TASK}.{name}" for name in task.answer_options]
    return f"{', '.join(names)} and settings of other data (dataset.KEY)"


def parsed(options: type, values: Mapping[str, Any], table: str) -> Any:
    """An instance of `options`. Raises UsageError naming the first value that does not fit."""
    found, problems = parse_options(options, values, table)
    for problem in problems:
        raise UsageError(f"--set {problem.where}: {problem.message}", hint=problem.hint)
    return found
