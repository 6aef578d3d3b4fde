"""The cells of `strategies.py`: one process each, its result kept as one JSON file, failures told and not fatal."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

from processes import HEADSTART, HERE, PYTHON, environment
from ratios import machine
from strategies_sets import Pictures
from strategies_table import GUIDE, SCRATCH, Found

BACKBONE = "efficientnet_lite/lite0"
GUIDE_EPOCHS = (20, 10)
"""Those of Keras' guide: of the head alone, and of everything."""
SCRATCH_FLAGS = (
    *("--strategy", "full", "--weights", "none", "--batch-norm", "trainable"),
    *("--epochs", "10", "--learning-rate", "1e-3"),
)
PUBLISHED = HERE / "strategies.json"
"""What was measured last, of which a sweep measures nothing again."""
LIMIT = 3600
"""Seconds after which a cell has failed."""
Measured = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One fit: `side` is a strategy, GUIDE or SCRATCH; `epochs` replaces every side's own where it is given."""

    pictures: Pictures
    side: str
    backend: str
    seed: int
    limit: int | None = None
    epochs: int | None = None

    @property
    def records(self) -> int | None:
        """How many records are taken, None for all."""
        return self.limit or self.pictures.records

    @property
    def name(self) -> str:
        """One word."""
        return f"{self.backend}-{self.seed}-{self.pictures.name}-{self.side}"

    @property
    def key(self) -> str:
        """What makes a finished cell count: all that it is told, but for where files lie."""
        told = json.dumps([self.name, self.pictures.size, self.records, self.epochs, GUIDE_EPOCHS, SCRATCH_FLAGS])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def run_cells(cells: Sequence[Cell], out: Path, jobs: int) -> list[str]:
    """Run those that are not finished, `jobs` at a time, in order; returns what failed."""
    (out / "cells").mkdir(parents=True, exist_ok=True)
    waiting = [cell for cell in cells if read_cell(cell, out) is None]
    print(f"{len(cells) - len(waiting)} of {len(cells)} cells were finished before", file=sys.stderr, flush=True)
    free = cycle(sorted(_cores()))
    with ThreadPoolExecutor(jobs, initializer=lambda: _stay_on(next(free))) as pool:
        problems = list(pool.map(lambda cell: _run(cell, out), waiting))
    return [problem for problem in problems if problem]


def _cores() -> set[int]:
    """Those that this process may use; -1 where the system cannot hold a thread on one."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {-1}


def _stay_on(core: int) -> None:
    """Hold this thread, and what it starts, on one core: JAX takes as many threads as it sees cores."""
    if core >= 0:
        os.sched_setaffinity(0, {core})


def read_cell(cell: Cell, out: Path) -> Measured | None:
    """What a finished cell measured, None where it is not finished or was told something else."""
    path = _path(cell, out)
    if not path.exists():
        return _published().get(cell.key)
    kept = json.loads(path.read_text(encoding="utf-8"))
    return dict(kept) if kept["key"] == cell.key else None


@cache
def _published() -> dict[str, Measured]:
    """Cells that another checkout finished, by key."""
    if not PUBLISHED.exists():
        return {}
    return {kept["key"]: kept for kept in json.loads(PUBLISHED.read_text(encoding="utf-8"))["cells"]}


def publish(cells: Sequence[Cell], out: Path) -> None:
    """Keep what is finished beside the benchmarks, without what only its process is interested in, and with what lay
    there of other cells."""
    found = {cell.key: kept for cell in cells if (kept := read_cell(cell, out)) is not None}
    every = {**_published(), **found}.values()
    rows = [{name: value for name, value in kept.items() if name != "told"} for kept in every]
    lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    PUBLISHED.write_text(f'{{"cells": [\n{lines}\n]}}\n', encoding="utf-8")


def found_in(cells: Sequence[Cell], out: Path) -> Iterator[Found]:
    """The finished cells as the tables take them."""
    for cell in cells:
        if (kept := read_cell(cell, out)) is not None:
            yield Found(
                cell.pictures.name, cell.side, cell.backend, cell.seed, kept["test"], kept["trained"], kept["seconds"]
            )


def _run(cell: Cell, out: Path) -> str | None:
    """Run one cell and keep what it measured; what went wrong, or None."""
    with tempfile.TemporaryDirectory(prefix="cell-") as folder:
        command, read = _guide(cell, Path(folder)) if cell.side == GUIDE else _fit(cell, Path(folder))
        problem, measured = _measured(command, read, cell, Path(folder), out)
    if problem:
        failed = out / "failed" / f"{cell.name}.txt"
        failed.parent.mkdir(exist_ok=True)
        failed.write_text(f"{' '.join(command)}\n{problem}\n", encoding="utf-8")
        print(f"{cell.name}: FAILED, see {failed}", file=sys.stderr, flush=True)
        return f"{cell.name}: {problem.strip().splitlines()[-1][:200]}"
    _keep(cell, measured, out)
    print(f"{cell.name}: test {measured['test']:.4f}, {measured['seconds']} s", file=sys.stderr, flush=True)
    return None


def _measured(
    command: Sequence[str], read: Callable[[Measured], Measured], cell: Cell, folder: Path, out: Path
) -> tuple[str, Measured]:
    """Seconds and accuracies of one process, or what it said last where it failed.

    Nothing is there that an earlier cell computed, but for what JAX compiled.
    """
    variables = environment(
        KERAS_BACKEND=cell.backend,
        OMP_NUM_THREADS="1",
        HEADSTART_CACHE=folder / "cache",
        JAX_COMPILATION_CACHE_DIR=(out / "jax").resolve(),
    )
    started = time.perf_counter()
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"stopped after {LIMIT} s", {}
    seconds = round(time.perf_counter() - started, 1)
    if done.returncode != 0:
        return f"{done.stderr[-4000:]}\nexit code {done.returncode}: {_last_error(done.stderr)}", {}
    document = json.loads(done.stdout[done.stdout.index("{") :])
    return "", {"seconds": seconds, **read(document)}


def _last_error(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "nothing was said")


def _fit(cell: Cell, folder: Path) -> tuple[list[str], Callable[[Measured], Measured]]:
    """The command of `headstart fit`, and how its document is read."""
    if cell.side == SCRATCH:
        chosen = SCRATCH_FLAGS if cell.epochs is None else (*SCRATCH_FLAGS[:6], "--epochs", str(cell.epochs))
    else:
        chosen = ("--strategy", cell.side)
    flags = (
        *(*cell.pictures.flags, "--backbone", BACKBONE, *chosen, "--backend", cell.backend, "--augment", "none"),
        *("--seed", str(cell.seed), "--split-seed", str(cell.seed), "--reporter", "json"),
        *(("--limit", str(cell.records)) if cell.records else ()),
    )
    command = [str(HEADSTART), "fit", *flags, "--out", str(folder / "run"), "--json"]

    def read(document: Measured) -> Measured:
        return {
            "samples": document["samples"],
            "test": document["metrics"]["test"]["accuracy"],
            "val": document["metrics"]["val"]["accuracy"],
            "trained": document["parameters"]["trainable"],
            "told": document,
        }

    return command, read


def _guide(cell: Cell, folder: Path) -> tuple[list[str], Callable[[Measured], Measured]]:
    """The command of the control, and how its document is read."""
    flags = {
        "data": cell.pictures.data,
        "backbone": BACKBONE,
        "backend": cell.backend,
        "augment": ("none",),
        "image_size": cell.pictures.size,
        "seed": cell.seed,
        "split_seed": cell.seed,
        "limit": cell.records,
    }
    epochs = GUIDE_EPOCHS if cell.epochs is None else (cell.epochs, cell.epochs)
    job = folder / "job.json"
    job.write_text(json.dumps({"flags": flags, "recipe": cell.pictures.recipe, "epochs": epochs}), encoding="utf-8")
    return [str(PYTHON), str(HERE / "guide.py"), str(job)], lambda document: {**document}


def _keep(cell: Cell, measured: Measured, out: Path) -> None:
    facts = {
        "key": cell.key,
        "name": cell.name,
        "machine": machine(),
        "load": os.getloadavg()[0],
        **measured,
    }
    path = _path(cell, out)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    unfinished.rename(path)


def _path(cell: Cell, out: Path) -> Path:
    return out / "cells" / f"{cell.name}.json"


def counts_of(cells: Sequence[Cell], out: Path) -> Mapping[str, Mapping[str, int]]:
    """Samples by split of each set, as the cells had them."""
    kept = ((cell.pictures.name, read_cell(cell, out)) for cell in cells)
    return {name: each["samples"] for name, each in kept if each is not None}
