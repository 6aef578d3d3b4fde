"""`headstart compare`: what transfer is worth on the user's data, with controls.

    found = headstart.compare("photos", strategies=("probe", "lp_ft"), seeds=(0, 1, 2))
    found.document["verdict"]["line"]

A comparison is a folder: `comparison.json` with its plan, and once it is finished all numbers; a run for each cell
below `cells`; `report` with a page and plots.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.atomic import explained, make_folders, write_file
from headstart.documents import read_object
from headstart.errors import DataError, UsageError
from headstart.host.discovery import installed_version
from headstart.registry import Registry, load_registry
from headstart.runs.folder import RunFolder, claim, write_document
from headstart.runs.lock import LOCK, locked
from headstart.shown import Shown
from headstart.transfer.comparison.analysis import analyse, suspects
from headstart.transfer.comparison.cells import CELLS, FORM, Design, Measured, finished
from headstart.transfer.comparison.planning import SEEDS, Asked, jobs_that_fit, make_design, twin_of
from headstart.transfer.comparison.running import State, how_to_go_on, run_cells

COMPARISON = "comparison.json"
REPORT = "report"
LARGEST = 2**28


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """A finished comparison: `document` is what `comparison.json` holds and `compare --json` prints."""

    path: Path
    document: Mapping[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> Comparison:
        """Open one from its folder. Raises UsageError where it is none, or not finished."""
        folder = Path(path)
        if not (folder / COMPARISON).is_file():
            raise UsageError(f"{path} is no comparison", hint="name the folder that `headstart compare` made")
        document = _read(folder)
        if not document.get("finished"):
            raise UsageError(f"the comparison {path} is not finished", hint=how_to_go_on(folder))
        return cls(folder, document)

    def facts(self) -> Mapping[str, Any]:
        """See `Shown`."""
        return {"path": str(self.path), "data": self.document["data"], "verdict": self.document["verdict"]["line"]}


def compare(
    data: str | Path | None = None,
    *,
    recipe: Path | None = None,
    backbones: Sequence[str] = (),
    strategies: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    fractions: Sequence[float] | None = None,
    epochs: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    jobs: int | None = None,
    threads: int | None = None,
    sets: Sequence[str] = (),
    registry: Registry | None = None,
    told: Callable[[Design, State], None] = lambda design, state: None,
    **flags: Any,
) -> Comparison:
    """Compare transfer with the same network from scratch on `data`: same split, seeds and budget.

    Each of `strategies` (by default probe, lp_ft and full) is trained from each of `backbones` on `fractions` of train
    with each of `seeds` (by default 0, 1 and 2), and so is the network from random weights. `epochs` are the budget of
    all of them; `flags` and `sets` are those of `headstart.fit`, for all; `recipe` says what none of these does, see
    `Asked.from_recipe`. At most `jobs` cells run at once, on `threads` each. With `resume` the comparison in `out` goes
    on. `told` hears how far it is.

    Raises the errors of `headstart.fit`, and InterruptedRunError after a signal: what was done is kept.
    """
    registry = registry or load_registry()
    said: dict[str, Any] = {
        "data": None if data is None else str(data),
        "backbones": tuple(backbones),
        "strategies": tuple(strategies),
        "seeds": SEEDS if seeds is None else tuple(seeds),
        "fractions": None if fractions is None else tuple(fractions),
        "epochs": epochs,
        "threads": threads,
        "flags": flags,
        "sets": tuple(sets),
    }
    begun = resume and out is not None and (Path(str(out)) / COMPARISON).is_file()
    if data is None and recipe is None and begun:
        said["data"] = Design.of(_read(Path(str(out)))["plan"]).data
    asked = _asked(recipe, said)
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs}: expected 1 or more")
    if resume and out is None:
        raise UsageError("--resume goes on with the comparison in a folder", hint="name it: --resume --out DIR")
    named = frozenset() if seeds is None else frozenset({"seeds"})
    if begun and _taken_up(Path(str(out)), asked, named) and _read(Path(str(out))).get("finished"):
        return Comparison.load(str(out))
    if not begun and asked is None:
        missing = f"there is no comparison in {out} to go on with" if resume else "there is no data to compare on"
        raise UsageError(missing, hint="name a dataset, a path or KIND:PATH")
    design = _taken_up(Path(str(out)), asked, named) if begun else make_design(asked, registry) if asked else None
    if design is None:
        raise AssertionError("a comparison that does not go on has data")
    folder = claim(None if out is None else str(out), stem=f"compare-{_stem(design)}", resume=resume).path
    with locked(folder):
        if not begun:
            _verify_empty(folder)
            _write(folder, design, {"finished": False})
        at_once, planned = jobs or jobs_that_fit(design), [design]

        def plan() -> Design:
            """With the twins, once all that asks for them is measured."""
            (known,) = planned
            if not known.twins and len(finished(known, folder)) == sum(1 for _ in known.cells()):
                planned[:] = [with_twins(known, folder)]
                _write(folder, planned[0], {"finished": False})
            return planned[0]

        run_cells(plan, folder, registry, jobs=at_once, tell=told)
        return conclude(planned[0], folder, jobs=at_once)


def with_twins(design: Design, folder: Path) -> Design:
    """`design` with the twins that its measured cells ask for."""
    measured = [*finished(design, folder).values()]
    return dataclasses.replace(design, twins=tuple(map(twin_of, suspects(design, measured))))


def conclude(design: Design, folder: Path, *, jobs: int = 1) -> Comparison:
    """Read what the cells of a comparison measured, say what it means, and write its report.

    Raises DataError where cells were not judged on the same samples: the data has changed in between.
    """
    measured = [*finished(design, folder).values()]
    sides = {each.judged_on for each in measured if each.judged_on}
    if len(sides) > 1:
        raise DataError(
            f"the cells of {folder} were not judged on the same samples: the data has changed since the first",
            hint="restore it, or start a new comparison",
        )
    document = {
        "comparison": str(folder),
        "data": design.data,
        "task": design.task,
        "backend": design.backend,
        "primary_metric": next((each.metric for each in measured if each.metric), ""),
        "samples": dict(design.samples),
        "seeds": list(design.seeds),
        "fractions": list(design.fractions),
        "threads": design.threads,
        "jobs": jobs,
        "arms": [_arm_row(each, measured) for each in design.document()["arms"]],
        "twins": [_arm_row(each, measured) for each in design.document()["twins"]],
        **analyse(design, measured),
        "cells": [_cell_row(each) for each in measured],
        "notes": [*design.notes, *_warnings(measured)],
        "finished": True,
    }
    from headstart.transfer.comparison.page import page
    from headstart.transfer.comparison.plots import draw_png

    with explained(folder / REPORT):
        make_folders(folder / REPORT)
    pictures = {name: draw_png(document, name) for name in ("curves", "details")}
    for name, content in pictures.items():
        write_file(folder / REPORT / f"{name}.png", content)
    write_file(folder / REPORT / "report.html", page(document, pictures).encode("utf-8"))
    return Comparison(folder, _write(folder, design, document))


def _asked(recipe: Path | None, said: Mapping[str, Any]) -> Asked | None:
    """What a recipe and the fields of `said` ask for; None where neither names data."""
    if recipe is not None:
        return Asked.from_recipe(recipe, **said)
    return None if said["data"] is None else Asked(**said)


def _taken_up(folder: Path, asked: Asked | None, named: Collection[str]) -> Design:
    """The design of the comparison in `folder`. Raises UsageError naming what is asked for otherwise now: those that
    are `named`, and whatever is not as where nobody says anything."""
    document = _read(folder)
    design = Design.of(document["plan"])
    if asked is None:
        return design
    mine, own = asked.document(), dict(design.settings)
    plain = Asked(data=asked.data).document()
    for name, value in mine.items():
        if value != own.get(name) and (value != plain.get(name) or name == "data" or name in named):
            raise UsageError(
                f"{name} is {value} now, and {own.get(name)} in {folder}", hint="leave it out: it goes on as it began"
            )
    return design


def _read(folder: Path) -> Mapping[str, Any]:
    document = read_object(folder / COMPARISON, LARGEST)
    if document.get("form") != FORM:
        raise DataError(
            f"{folder / COMPARISON} is of the form {document.get('form')}; this version knows {FORM}",
            hint="go on with the version that made it, or choose another folder",
        )
    return document


def _write(folder: Path, design: Design, document: Mapping[str, Any]) -> dict[str, Any]:
    whole = {"form": FORM, "headstart": installed_version(), **document, "plan": design.document()}
    write_document(folder / COMPARISON, whole)
    return whole


def _verify_empty(folder: Path) -> None:
    """Another comparison or run may have been here in the meantime."""
    there = {path.name for path in folder.iterdir()} - {LOCK}
    if there - {REPORT} or CELLS in there or RunFolder(folder).recipe.is_file():
        raise UsageError(f"--out {folder} is not empty", hint="choose another folder")


def _stem(design: Design) -> str:
    return Path(design.data).stem if "/" in design.data else design.data.rpartition(":")[2]


def _arm_row(arm: Mapping[str, Any], measured: Sequence[Measured]) -> dict[str, Any]:
    kept = ("name", "backbone", "strategy", "control", "frozen", "epochs", "trained", "twin")
    trained = [each.trainable for each in measured if each.arm == arm["name"] and not each.failed]
    return {name: arm[name] for name in kept} | {"trained_numbers": trained[0] if trained else None}


def _cell_row(measured: Measured) -> dict[str, Any]:
    left_out = (
        "baseline",
        "curve",
        "classes",
        "similarity",
        "warnings",
        "judged_on",
        "metric",
        "higher_is_better",
        "class_figure",
    )
    row = {name: value for name, value in dataclasses.asdict(measured).items() if name not in left_out}
    return row | {"run": f"{CELLS}/{measured.cell.name}"}


def _warnings(measured: Sequence[Measured]) -> list[str]:
    """What the runs warned of, each once, with how many of them did."""
    told: dict[str, int] = {}
    for each in measured:
        for message in each.warnings:
            told[message] = told.get(message, 0) + 1
    return [f"{message} ({count} of {len(measured)} runs)" for message, count in told.items()]
