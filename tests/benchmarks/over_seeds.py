"""Tables of accuracy over seeds: cells that are run once and kept, their flags, and how figures are told."""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from processes import HEADSTART, HERE, environment
from scipy import stats
from sections import with_section

from headstart.data.made import made_folder
from headstart.registry import load_registry
from headstart.specs import DatasetRequest, Record

REPORT = HERE.parents[1] / "BENCHMARKS.md"
VAL = 5
"""One in so many labelled samples is val."""
ALL = 0
"""In place of a number of labels: all there are."""
Scores = Mapping[str, float]
"""What a cell gave, by name."""


@dataclass(frozen=True)
class Cell:
    """One figure of a table."""

    study: str
    arm: str
    labels: int
    seed: int
    backend: str

    @property
    def name(self) -> str:
        """One word that is a file's."""
        arm = self.arm.replace(" ", "-").replace("+", "and").lower()
        return f"{self.study}-{arm}-{self.labels or 'all'}-{self.seed}-{self.backend}"


@dataclass(frozen=True)
class Shelf:
    """Finished cells: a JSON file each in `out`, and those of `kept`, which is committed, from other checkouts."""

    out: Path
    kept: Path

    def known(self, name: str) -> Scores | None:
        """What the cell of this name gave; None where it has not been run."""
        if (own := self._file(name)).is_file():
            return dict(json.loads(own.read_text("utf-8")))
        found = self._committed().get(name)
        return None if found is None else dict(found)

    def put(self, name: str, scores: Scores) -> None:
        """Keep what the cell gave, and say it."""
        self.out.mkdir(parents=True, exist_ok=True)
        self._file(name).write_text(json.dumps(dict(scores)), "utf-8")
        print(f"{name}: {', '.join(f'{key} {value}' for key, value in scores.items())}", file=sys.stderr, flush=True)

    def once(self, name: str, measure: Callable[[], Scores], *, only_known: bool) -> Scores | None:
        """What is known, or else what `measure` gives, and its seconds; None where that may not be asked."""
        if (scores := self.known(name)) is not None or only_known:
            return scores
        started = time.perf_counter()
        scores = measure()
        scores = {**scores, "seconds": round(time.perf_counter() - started, 1)}
        self.put(name, scores)
        return scores

    def write(self, section: str, text: str) -> None:
        """Put all finished cells into `kept`, and `text` between its marks into BENCHMARKS.md."""
        new = {file.stem: json.loads(file.read_text("utf-8")) for file in self.out.glob("*.json")}
        self.kept.write_text(json.dumps(self._committed() | new, indent=1, sort_keys=True) + "\n", "utf-8")
        REPORT.write_text(with_section(REPORT.read_text("utf-8"), section, text), "utf-8")

    def _file(self, name: str) -> Path:
        return self.out / f"{name}.json"

    def _committed(self) -> dict[str, dict[str, float]]:
        return dict(json.loads(self.kept.read_text("utf-8"))) if self.kept.is_file() else {}


def new_parser(description: str, *, out: str, tables: Sequence[str]) -> argparse.ArgumentParser:
    """A parser with the options that choose cells, and say where they go."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--only", nargs="+", default=[*tables], choices=[*tables], metavar="TABLE")
    parser.add_argument("--arms", nargs="+", help="some arms alone", metavar="ARM")
    parser.add_argument("--labels", nargs="+", type=int, help="some numbers of labels alone; 0: all", metavar="N")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--backends", nargs="+", default=["torch", "jax"], choices=("jax", "torch"))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each run")
    parser.add_argument("--table", action="store_true", help="run nothing: the tables of what is there")
    parser.add_argument("--write", action="store_true", help="put the tables into BENCHMARKS.md")
    return parser


def cells_of(
    study: str, arms: Mapping[str, Sequence[str]], numbers: Sequence[int], given: argparse.Namespace
) -> Iterable[Cell]:
    """Every cell that is asked for, seed by seed. The second backend has the middle one of `numbers` of labels alone,
    and not the arms without flags, which are no runs of ours."""
    middle = numbers[len(numbers) // 2]
    for backend in given.backends:
        for seed in given.seeds:
            for labels in numbers if backend == "torch" else (middle,):
                for arm, flags in arms.items():
                    if (given.labels and labels not in given.labels) or (given.arms and arm not in given.arms):
                        continue
                    if flags or backend == "torch":
                        yield Cell(study, arm, labels, seed, backend)


def records_of(name: str) -> Sequence[Record]:
    """All records of a set that is made, written as users do: its name, or with a code behind a colon."""
    registry = load_registry()
    opens = registry.resolve_dataset(name)
    spec, reference = opens.spec, opens.reference
    build = registry.load_target(spec, spec.build)
    return tuple(build(DatasetRequest(reference, spec.options(), made=made_folder(spec, reference))).items)


def labelled(records: Iterable[Record], cell: Cell) -> dict[str, list[Record]]:
    """The records of a cell by side: test as the set has it, of the others as many as are labelled, by the seed; of
    these one in VAL is val, or all that the set has for it."""
    sides: dict[str, list[Record]] = {"train": [], "val": [], "test": []}
    for record in records:
        sides[str(record.split)].append(record)
    if cell.labels:
        held = min(cell.labels // VAL, len(sides["val"]))
        for place, (side, count) in enumerate((("train", cell.labels - held), ("val", held))):
            drawn = np.random.default_rng((cell.seed, place)).permutation(len(sides[side]))[:count]
            sides[side] = [sides[side][each] for each in sorted(drawn)]
    return sides


def run_of(given: argparse.Namespace, cell: Cell, command: Sequence[str]) -> dict[str, Any]:
    """The document of `headstart` with this verb, data and flags, its run in the folder of the cell; it goes on with
    what an earlier one has left there."""
    folder = given.out / "runs" / cell.name
    resumed = ["--resume"] if (folder / "recipe.toml").is_file() else []
    return document_of(
        [
            *(*command, "--backend", cell.backend, "--seed", str(cell.seed), "--reporter", "json"),
            *("--out", str(folder.resolve()), *resumed),
        ],
        threads=given.threads,
        HEADSTART_CACHE=(given.out / "cache").resolve(),
    )


def document_of(command: Sequence[str], *, threads: int, **variables: str | Path) -> dict[str, Any]:
    """What `headstart` prints with `--json`, computing on so many threads. Stops the benchmark where it fails."""
    whole = [str(HEADSTART), *command, "--json"]
    environ = environment(**threads_of(threads), **variables)
    done = subprocess.run(whole, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(whole)}\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout[done.stdout.index("{") :]))


def threads_of(threads: int) -> dict[str, str]:
    """The variables of a process that has so many threads, which do not spin while they wait."""
    return {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}


def figure(values: Sequence[float]) -> str:
    """Mean and 95 % interval of the mean (t); how many seeds where they are not three."""
    if not values:
        return "not run"
    told = f"{statistics.fmean(values):.3f}"
    if len(values) > 1:
        half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
        told += f" ± {half:.3f}"
    return told if len(values) == 3 else f"{told} ({len(values)} seed{'s' if len(values) > 1 else ''})"
