"""The main job: from a recipe to a trained, reloaded and evaluated model in a run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backend import BackendChoice, announce, choose_backend
from headstart.eventlog import EventLog, HeldWarnings
from headstart.recipe import Recipe, build_recipe
from headstart.recipes.resolve import ResolvedRecipe, resolve_recipe
from headstart.registry import Registry, load_registry
from headstart.run import Run
from headstart.runs.folder import RunFolder, claim
from headstart.runs.reporting import SampleView, open_live
from headstart.timing import Stopwatch

if TYPE_CHECKING:
    from headstart.runs.planning import Plan


@dataclass(frozen=True)
class Ready:
    """A recipe that was checked, and the backend it will run on."""

    registry: Registry
    choice: BackendChoice
    resolved: ResolvedRecipe


def fit(
    data: str | Path | None = None,
    *,
    recipe: str | Path | None = None,
    sets: Sequence[str] = (),
    registry: Registry | None = None,
    **settings: Any,
) -> Run:
    """Fine-tune a pretrained backbone on `data`; returns the finished run.

    `settings` are the long options of `headstart fit` with underscores (`backbone=`, `epochs=`, `image_size=`, ...),
    `sets` its `--set key=value`. Raises the errors of headstart.errors, each with the exit code of its class.
    """
    flags = {**settings, "data": str(data) if data is not None else None}
    stated = build_recipe(flags=flags, file=Path(recipe) if recipe is not None else None, sets=sets)
    return run_recipe(stated, registry or load_registry())


def make_ready(stated: Recipe, registry: Registry) -> Ready:
    """Choose the backend and check the whole recipe. Reads no data and imports no framework."""
    by_flag = not stated.origin("backend").startswith(("default", "file"))
    choice = choose_backend(stated.backend if by_flag else None, None if by_flag else stated.backend)
    origins = {**stated.origins, "backend": stated.origins.get("backend", choice.origin)}
    resolved = resolve_recipe(dataclasses.replace(stated, backend=choice.name, origins=origins), registry)
    announce(choice)
    return Ready(registry, choice, resolved)


def run_recipe(stated: Recipe, registry: Registry) -> Run:
    """Carry out a recipe from its start to its report."""
    clock = Stopwatch()
    ready = make_ready(stated, registry)
    from headstart.engine.exporting import Exporters
    from headstart.runs.foresight import foresee_export

    folder = claim(stated.out, stem=_stem(ready.resolved))
    plans: list[Plan] = []
    view = SampleView(folder.path, lambda: samples_of(plans[0]))
    try:
        reporters, failures = open_live(ready.resolved, registry, interactive=sys.stderr.isatty())
        with EventLog(folder.events, reporters, view) as log, Exporters(registry) as exporters:
            plan = plan_run(
                ready,
                folder.scratch,
                lambda activity, done, total: log.progress(activity, done, total, "samples"),
                counted=lambda count: foresee_export(ready.resolved, registry, exporters, count),
            )
            plans.append(plan)
            from headstart.runs.conclusion import (  # imports keras: after the plan chose its backend
                blueprint_of,
                conclude,
                load_weights,
                open_run,
            )
            from headstart.runs.engines import open_engine_room

            load_weights(plan)
            warn = HeldWarnings()
            room = open_engine_room(plan, blueprint_of(plan), exporters, folder.scratch, warn)
            open_run(plan, room, folder, log)
            for failure in failures:
                log.warn(failure)
            warn.release(log)
            conclude(plan, room, folder, log, clock)
    finally:
        shutil.rmtree(folder.scratch, ignore_errors=True)
        _remove_if_nothing_happened(folder)
    return Run.load(folder.path, registry=registry)


def plan_run(
    ready: Ready,
    scratch: Path,
    told: Callable[[str, int, int], None],
    *,
    counted: Callable[[int], None] = lambda count: None,
) -> Plan:
    """Read the data, build the network and plan the phases of a recipe that is ready."""
    from headstart.runs.planning import make_plan

    return make_plan(ready.resolved, ready.registry, choice=ready.choice, scratch=scratch, told=told, counted=counted)


def samples_of(plan: Plan) -> tuple[dict[str, Any], Any]:
    """Payloads by key, and the input kind that reads them."""
    return {record.key: record.payload for record in plan.records.items}, plan.kind


def _stem(resolved: ResolvedRecipe) -> str:
    reference = Path(resolved.reference).stem if resolved.reference else resolved.dataset.short_name
    return f"{reference}-{resolved.backbone.short_name}-{resolved.strategy.short_name}"


def _remove_if_nothing_happened(folder: RunFolder) -> None:
    """A run that ended before its recipe was written leaves no folder behind that a second try would trip over."""
    with contextlib.suppress(OSError):  # a mount point cannot be removed; what went wrong before matters more
        if not folder.recipe.exists() and {path.name for path in folder.path.iterdir()} <= {folder.events.name}:
            folder.events.unlink(missing_ok=True)
            folder.path.rmdir()
