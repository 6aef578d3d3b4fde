"""Run many fits one after another, keep every finished one, and set them out as a table.

A sweep is a list of cells; a cell is one `headstart fit`. Each finished cell is one line of `results.jsonl`,
written when it ends. A sweep that starts again skips the cells that are there, so it can be stopped at any
time.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HEADSTART = Path(sys.executable).with_name("headstart")
RESULTS = "results.jsonl"
KEPT = (
    *("backend", "backbone", "strategy", "samples", "metrics", "intervals", "baseline"),
    *("parameters", "seconds", "warnings"),
)


@dataclass(frozen=True)
class Cell:
    """One fit: the recipe, the flags beside it, and the labels by which tables group it."""

    recipe: Path
    flags: tuple[str, ...]
    labels: Mapping[str, str | int | float]

    @property
    def key(self) -> str:
        """What makes a finished cell count: its flags and the recipe's content."""
        content = self.recipe.read_bytes() + "\0".join(self.flags).encode()
        return hashlib.sha256(content).hexdigest()[:16]

    @property
    def name(self) -> str:
        """Its labels in one word; the run folder is named after it."""
        return "-".join(f"{label}={value}" for label, value in self.labels.items()).replace("/", "_")


@dataclass(frozen=True)
class Row:
    """A finished cell."""

    labels: Mapping[str, Any]
    result: Mapping[str, Any]
    wall: float
    machine: str
    settings: Mapping[str, Any]

    def metric(self, split: str, name: str = "accuracy") -> float:
        """One metric of one split."""
        return float(self.result["metrics"][split][name])


def sweep(cells: Sequence[Cell], out: Path) -> tuple[list[Row], list[str]]:
    """Run the cells that are not finished yet, in order, one at a time; rows, and what failed."""
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    for number, cell in enumerate(cells, start=1):
        if cell.key in _finished(out):
            print(f"[{number}/{len(cells)}] {cell.name}: finished before", file=sys.stderr)
            continue
        print(f"[{number}/{len(cells)}] {cell.name}", file=sys.stderr, flush=True)
        problem = _run(cell, out)
        if problem:
            print(problem, file=sys.stderr)
            failed.append(f"{cell.name}: {problem.strip().splitlines()[0]}")
    finished = _finished(out)
    return [finished[cell.key] for cell in cells if cell.key in finished], failed


def _run(cell: Cell, out: Path) -> str | None:
    """Run one cell and keep its result; what went wrong, or None."""
    folder = out / "runs" / f"{cell.name}-{cell.key}"
    if folder.exists():  # ours, from a sweep that was stopped in the middle of this cell
        shutil.rmtree(folder)
    command = [
        str(HEADSTART),
        "fit",
        "--recipe",
        str(cell.recipe),
        *cell.flags,
        "--out",
        str(folder),
        "--json",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    if done.returncode != 0:
        return f"exit code {done.returncode}: {' '.join(command)}\n{done.stderr}"
    result = json.loads(done.stdout)
    row = {
        "key": cell.key,
        "name": cell.name,
        "labels": dict(cell.labels),
        "command": ["headstart", *command[1:]],
        "wall": round(wall, 1),
        "machine": machine_line(folder),
        "settings": _settings(folder),
        "result": {name: result[name] for name in KEPT if name in result},
    }
    with (out / RESULTS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, allow_nan=False) + "\n")
    return None


def _finished(out: Path) -> dict[str, Row]:
    """The finished cells by key. A last line that a kill cut short does not count."""
    found = {}
    for line in _complete_lines(out / RESULTS):
        row = json.loads(line)
        found[row["key"]] = Row(row["labels"], row["result"], row["wall"], row["machine"], row["settings"])
    return found


def _complete_lines(path: Path) -> Iterator[str]:
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        path.write_text(text, encoding="utf-8")
    yield from text.splitlines()


def machine_line(run: Path) -> str:
    """What it ran on, from the run's own environment.json."""
    seen = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    versions = seen.get("versions", {})
    packages = ", ".join(
        f"{name} {versions[name]}" for name in ("headstart", "keras", "jax", "torch") if name in versions
    )
    processor = seen.get("processor") or platform.machine()
    return (
        f"{processor}, {seen.get('cores', os.cpu_count())} cores, {seen.get('threads')} threads, "
        f"{seen.get('precision')}, Python {seen.get('python')}, {packages}"
    )


def _settings(run: Path) -> dict[str, Any]:
    return tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))


def spread(values: Iterable[float], digits: int = 4) -> tuple[str, str]:
    """Mean and standard deviation as a table shows them; a dash for the deviation of one value."""
    numbers = list(values)
    deviation = f"{statistics.stdev(numbers):.{digits}f}" if len(numbers) > 1 else "-"
    return f"{statistics.mean(numbers):.{digits}f}", deviation


def group(rows: Sequence[Row], *labels: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of some labels, in the order in which they came."""
    grouped: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        grouped.setdefault(tuple(row.labels[label] for label in labels), []).append(row)
    return grouped


def show(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str) -> None:
    """Print a Markdown table on stdout."""
    table = [list(map(str, columns)), *(list(map(str, row)) for row in rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(columns))]
    print(f"\n{title}\n")
    for number, row in enumerate(table):
        print("| " + " | ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def show_footer(rows: Sequence[Row], failed: Sequence[str], recipe: Path) -> int:
    """Print settings, machine and failures; the exit code."""
    if rows:
        print(f"\nRecipe {recipe.relative_to(ROOT)}: {_told(rows[0].settings)}.")
        for machine in dict.fromkeys(row.machine for row in rows):
            print(f"Machine: {machine}.")
    for problem in failed:
        print(f"FAILED {problem}")
    return 1 if failed or not rows else 0


def _told(settings: Mapping[str, Any]) -> str:
    """The settings that all cells of a sweep share, from the recipe as it was resolved."""
    fit = settings.get("fit", {})
    told = {name: fit.get(name) for name in ("data", "backbone", "weights", "augment", "batch_size", "limit")}
    told["epochs"] = fit.get("epochs", "the strategy's own")
    told["size"] = settings.get("input", {}).get("size", "native")
    return ", ".join(f"{name} {value}" for name, value in told.items() if value is not None)
