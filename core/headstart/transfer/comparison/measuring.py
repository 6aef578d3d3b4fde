"""One cell: its run carried out by `headstart fit`, and what it measured kept beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.prepared import PreparedData
from headstart.data.split_file import read_split, split_bytes
from headstart.errors import DivergedError
from headstart.eventlog import read_events
from headstart.events import EpochDone, Event, RunResumed, RunStarted
from headstart.recipes.build import build_recipe
from headstart.recipes.resolve import make_ready
from headstart.registry import Registry
from headstart.run import Run
from headstart.runs.fitting import run_recipe
from headstart.runs.folder import RunFolder, write_document
from headstart.transfer.comparison.cells import CELLS, KEPT, Cell, Design, Measured, read_cell
from headstart.transfer.comparison.planning import recipe_of
from headstart.transfer.comparison.similarity import debiased_cka

if TYPE_CHECKING:
    from headstart.engine.network.network import Network

COMPARED = 256
"""Samples of val on which stages are compared before and after."""
BLOCK = 32
"""Samples that pass the stages at once."""


@dataclass(frozen=True)
class Job:
    """What one cell needs: the recipe of its arm, where its run goes, and what is kept of it.

    Frozen features are computed in `engine`, None where the run decides. Stages are compared where `similarity`; the
    artefact stays where `keeps`.
    """

    cell: Cell
    folder: Path
    flags: Mapping[str, Any]
    sets: tuple[str, ...]
    engine: str | None = None
    similarity: bool = False
    keeps: bool = False

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return {**dataclasses.asdict(self), "folder": str(self.folder)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Job:
        """What `document` gave."""
        return cls(
            **{
                **document,
                "cell": Cell(**document["cell"]),
                "folder": Path(document["folder"]),
                "sets": tuple(document["sets"]),
            }
        )


def job_of(design: Design, cell: Cell, folder: Path, *, engine: str | None = None) -> Job:
    """What `cell` of the comparison in `folder` needs. Whole runs are kept of those on all labels."""
    arm, whole = design.arm(cell.arm), cell.fraction == design.all_labels
    shared = {"seed": cell.seed, "threads": design.threads, "backend": design.backend}
    return Job(
        cell=cell,
        folder=folder / CELLS / cell.name,
        flags={**arm.flags, **shared},
        sets=(*arm.sets, f"split.train={cell.fraction!r}"),
        engine=engine if arm.flags.get("engine") is None else None,
        similarity=whole and not arm.is_random and not arm.frozen,
        keeps=whole and not arm.twin,
    )


def run_cell(job: Job, registry: Registry) -> Measured:
    """Carry a cell out, or go on with it, and keep what it measured: the last file that is written.

    Training that diverges is a result. Raises the other errors of `headstart.fit`; InterruptedRunError where it is told
    to end, with its run as far as it came.
    """
    if (known := read_cell(job.folder)) is not None:
        return known
    begun = RunFolder(job.folder).recipe.is_file()
    try:
        if begun:
            run = run_recipe(build_recipe(flags={"out": str(job.folder)}), registry, resume=True)
        else:
            flags = {**job.flags, "out": str(job.folder)}
            if job.engine is not None:
                flags["engine"] = job.engine
            run = run_recipe(recipe_of(flags, job.sets, registry), registry)
    except DivergedError as exc:
        shutil.rmtree(job.folder, ignore_errors=True)  # its checkpoints are of no use
        failed = Measured(
            arm=job.cell.arm, fraction=job.cell.fraction, seed=job.cell.seed, failed=f"training diverged: {exc.message}"
        )
        job.folder.mkdir(parents=True, exist_ok=True)
        write_document(job.folder / KEPT, failed.document())
        return failed
    measured = measure(run, job.cell)
    if job.similarity:
        measured = dataclasses.replace(measured, similarity=stage_similarity(run))
    write_document(job.folder / KEPT, measured.document())
    shutil.rmtree(run.folder.checkpoints, ignore_errors=True)
    if not job.keeps:
        shutil.rmtree(run.folder.artefact, ignore_errors=True)
    return measured


def measure(run: Run, cell: Cell) -> Measured:
    """What a finished run says."""
    result = run.result
    name = result["primary_metric"]
    sides = {side: (result["metrics"].get(side) or {}).get(name) for side in ("val", "test")}
    bounds = ((result["intervals"].get("test") or {}).get(name)) or None
    figure, classes = by_class((result["report"].get("test")) or {})
    judged = split_bytes(read_split(run.folder.split).only("val", "test"))
    return Measured(
        arm=cell.arm,
        fraction=cell.fraction,
        seed=cell.seed,
        test=sides["test"],
        val=sides["val"],
        metric=name,
        higher_is_better=result["higher_is_better"],
        bounds=None if bounds is None or None in bounds else (bounds[0], bounds[1]),
        baseline={key: value for key, value in result["baseline"].items() if key.endswith(f"_{name}")},
        samples=result["samples"],
        classes=classes,
        class_figure=figure,
        curve=curve_of(read_events(run.folder.events), name),
        seconds=result["seconds"],
        trainable=result["parameters"]["trainable"],
        engine=str(result["engine"]["name"]),
        judged_on=hashlib.sha256(judged).hexdigest(),
        warnings=tuple(result["warnings"]),
    )


def by_class(report: Mapping[str, Any]) -> tuple[str | None, dict[str, float | None]]:
    """What an evaluation's `report` has for each class under `per_class`, and its name: the one that it calls
    `class_figure`. None and nothing where it tells none."""
    rows: Mapping[str, Mapping[str, Any]] = report.get("per_class") or {}
    figure = report.get("class_figure")
    return (figure, {name: row.get(figure) for name, row in rows.items()}) if rows and figure else (None, {})


def curve_of(events: list[Event], metric: str) -> tuple[tuple[float, float], ...]:
    """(seconds since the run started, `metric` on val) of each epoch, and of each strength of a solved head; the time
    between a stop and going on is left out."""
    started = last = None
    waited, curve = 0.0, []
    for event in events:
        if isinstance(event, RunStarted):
            started = event.time
        elif isinstance(event, RunResumed) and last is not None:
            waited += max(0.0, event.time - last)
        elif isinstance(event, EpochDone) and started is not None and event.val.get(metric) is not None:
            curve.append((round(event.time - started - waited, 3), float(event.val[metric])))
        last = event.time
    return tuple(curve)


def stage_similarity(run: Run) -> dict[str, float | None]:
    """Debiased CKA of each stage of the backbone between the weights it began with and those it ended with, on val.

    Of what a stage gives, (row, channel) are means over all axes between the first and the last, padding included.
    Empty for fewer than four samples.
    """
    from headstart.runs.execution import load_weights
    from headstart.runs.planning import make_plan

    with tempfile.TemporaryDirectory(prefix="headstart-compare-") as scratch:
        plan = make_plan(make_ready(run.recipe, run.registry), Path(scratch))
        load_weights(plan)
        rows = plan.data.indices("val")[:COMPARED]
        if len(rows) < 4:
            return {}
        before, after = (_stages(network, plan.data, rows) for network in (plan.network, run.artefact.network))
    return {name: debiased_cka(before[name], after[name]) for name in before}


def _stages(network: Network, data: PreparedData, rows: np.ndarray) -> dict[str, np.ndarray]:
    """What each stage of the backbone gives for `rows`, as (row, channel)."""
    from headstart.engine.batch import take
    from headstart.engine.device import forward

    steps = [forward(network, place, place + 1) for place in range(len(network.stages) - 1)]
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(rows), BLOCK):
        alive = take(data.tensors, rows[start : start + BLOCK])
        for step, stage in zip(steps, network.stages, strict=False):
            alive = step(alive)
            if stage in network.backbone:
                found.setdefault(stage.name, []).append(_pooled(alive))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _pooled(tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """(row, channel) of all tensors that hold numbers."""
    parts = []
    for array in tensors.values():
        if array.dtype.kind == "f":
            middle = tuple(range(1, array.ndim - 1))
            parts.append(array.reshape(len(array), -1) if array.ndim < 3 else array.mean(axis=middle))
    return np.concatenate(parts, axis=1).astype(np.float64)
