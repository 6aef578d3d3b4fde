"""The main job: from a recipe to a trained, reloaded and evaluated model in a run folder."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from headstart.atomic import remove_leftovers
from headstart.engine.train.recovery import LESS_MEMORY, describe_shortage, is_out_of_memory
from headstart.errors import HeadstartError, InterruptedRunError
from headstart.eventlog import EventLog, HeldWarnings, drop_damaged_end
from headstart.recipe import DEFAULT, Recipe
from headstart.recipes.build import build_recipe, pretraining_recipe
from headstart.recipes.resolve import Ready, ResolvedRecipe, make_ready
from headstart.registry import Registry, load_registry
from headstart.run import Run
from headstart.runs.continuing import continued
from headstart.runs.folder import RunFolder, claim, how_to_go_on, verify_empty
from headstart.runs.lock import LOCK, locked
from headstart.runs.reporting import SampleView, open_reporters
from headstart.runs.resuming import is_finished, take_up, taken_up
from headstart.timing import Stopwatch

NO_SUCH_FORM = "does not have a deterministic implementation"
"""How PyTorch says that an operation has no form with the same bits each time."""


def fit(
    data: str | Path | None = None,
    *,
    recipe: str | Path | None = None,
    sets: Sequence[str] = (),
    registry: Registry | None = None,
    resume: bool = False,
    continue_from: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Fine-tune a pretrained backbone on `data`; returns the finished run.

    `settings` are the long options of `headstart fit` with underscores (`backbone=`, `epochs=`, ...),
    `sets` its `--set key=value`; with `resume` the run in `out` goes on, with `continue_from` a new one goes on with
    that finished run. Raises the errors of headstart.errors, each with the exit code of its class.
    """
    flags = {**settings, "data": str(data) if data is not None else None}
    stated = build_recipe(flags=flags, file=Path(recipe) if recipe is not None else None, sets=sets)
    registry = registry or load_registry()
    if continue_from is not None:
        stated = continued(stated, continue_from, registry, resume=resume)
    return run_recipe(stated, registry, resume=resume)


def pretrain(
    data: str | Path | None = None,
    *,
    recipe: str | Path | None = None,
    sets: Sequence[str] = (),
    registry: Registry | None = None,
    resume: bool = False,
    **settings: Any,
) -> Run:
    """Train a backbone from random weights on `data`: as `fit`, by defaults that suit it; returns the finished run.

    They are those of `headstart pretrain`, see `headstart.recipes.build.pretraining_recipe`.
    """
    registry = registry or load_registry()
    flags = {**settings, "data": str(data) if data is not None else None}
    file = Path(recipe) if recipe is not None else None
    stated = pretraining_recipe(registry.strategy_from_scratch().name, flags=flags, file=file, sets=sets)
    return run_recipe(stated, registry, resume=resume)


def run_recipe(stated: Recipe, registry: Registry, *, resume: bool = False) -> Run:
    """Carry out a recipe from its start to its report; with `resume`, from the last checkpoint in its folder on.

    Raises InterruptedRunError after SIGINT, SIGTERM or SIGHUP, with what was kept.
    """
    if resume:
        stated = taken_up(stated, registry)
        if is_finished(stated):
            return Run.load(str(stated.out), registry=registry)
    clock = Stopwatch()
    ready = make_ready(stated, registry)
    folder = claim(stated.out, stem=_stem(ready.resolved), resume=resume)
    with locked(folder.path) as taken_over:
        if not resume:
            verify_empty(folder)  # another run may have been here in the meantime
        remove_leftovers(folder.path)
        try:
            with explained_backend_errors(folder):
                _carry_out(ready, folder, clock, taken_over=taken_over, resume=resume)
        except KeyboardInterrupt as exc:  # a signal that came outside of training
            if not folder.recipe.exists():
                raise InterruptedRunError("stopped before training began; nothing was written") from exc
            kept = f"stopped; {folder.path} keeps what was done"
            raise InterruptedRunError(kept, hint=how_to_go_on(folder.path)) from exc
        except InterruptedRunError as exc:
            raise InterruptedRunError(exc.message, hint=how_to_go_on(folder.path)) from exc
        finally:
            shutil.rmtree(folder.scratch, ignore_errors=True)
            _remove_if_nothing_happened(folder)
    return Run.load(folder.path, registry=registry)


@contextlib.contextmanager
def explained_backend_errors(folder: RunFolder | None = None) -> Iterator[None]:
    """Inside, a backend's own error for an operation without a deterministic form, or for a shortage of memory that
    nothing met by smaller batches, is a HeadstartError that says what to do: to go on with the run in `folder`, where
    it had trained."""
    try:
        yield
    except Exception as exc:
        if is_out_of_memory(exc):
            hint = LESS_MEMORY
            if folder is not None and folder.checkpoints.is_dir() and any(folder.checkpoints.iterdir()):
                hint = f"what was trained is kept: when more memory is free, {how_to_go_on(folder.path)}"
            raise HeadstartError(f"memory does not suffice: {describe_shortage(exc)}", hint=hint) from exc
        if NO_SUCH_FORM in str(exc):
            operation = str(exc).partition(NO_SUCH_FORM)[0].split()[-1]
            raise HeadstartError(
                f"the operation {operation} has no form that gives the same bits each time on this device",
                hint="leave --deterministic out, or choose a backbone without that operation",
            ) from exc
        raise


def _carry_out(ready: Ready, folder: RunFolder, clock: Stopwatch, *, taken_over: str | None, resume: bool) -> None:
    from headstart.engine.features.decision import EngineDecision
    from headstart.engine.features.export import Exporters
    from headstart.runs.planning import make_plan

    resolved = ready.resolved
    warn = _found_on_opening(folder, taken_over)
    view = SampleView(folder.path, lambda: (plan.records, plan.kind))  # once there is a plan
    asked = resolved.recipe.origin("reporters") != DEFAULT and not resume  # a run that goes on names what there was
    reporters, failures = open_reporters(
        resolved.reporters, resolved, ready.registry, interactive=sys.stderr.isatty(), live=True, asked=asked
    )
    with (
        EventLog(folder.events, reporters, view) as log,
        warn.told_at_the_latest(log),
        Exporters(ready.registry) as exporters,
    ):
        plan = make_plan(
            ready,
            folder.scratch,
            on_progress=lambda done, total: log.progress("read", done, total, "samples"),
            counted=lambda bound, count: exporters.foresee(
                bound.backbone, bound.engine, min(count, bound.recipe.limit or count)
            ),
        )
        # imports keras: after the plan chose its backend
        from headstart.runs.carried_head import on_other_weights
        from headstart.runs.execution import conclude, load_weights, open_extractor, open_run

        for message in failures:
            warn(message)
        reestimated = load_weights(plan)
        resumed = take_up(plan, folder, log, warn)
        decision = EngineDecision.of(folder.environment) if resumed else None
        extractor = open_extractor(plan, exporters, warn, decision=decision)
        if resumed is None:
            if (source := plan.resolved.head_source) is not None:
                for message in on_other_weights(source, plan.network, plan.resolved.recipe.batch_norm):
                    warn(message)
            open_run(plan, extractor.decided, folder, log, reestimated=reestimated)
        warn.release(log)
        conclude(plan, extractor, folder, log, clock, resumed=resumed)


def _found_on_opening(folder: RunFolder, taken_over: str | None) -> HeldWarnings:
    """What an earlier process left in the folder, to be told once there is a log."""
    warn = HeldWarnings()
    if dropped := drop_damaged_end(folder.events) if folder.events.is_file() else 0:
        lines = "the last line" if dropped == 1 else f"each of the last {dropped} lines"
        warn(f"{lines} of {folder.events} was cut short or damaged; it was taken away")
    if taken_over:
        warn(f"{folder.path} was left by {taken_over}")
    return warn


def _stem(resolved: ResolvedRecipe) -> str:
    reference = Path(resolved.reference).stem if resolved.reference else resolved.dataset.short_name
    parts = (reference, resolved.backbone and resolved.backbone.short_name, resolved.strategy.short_name)
    return "-".join(part for part in parts if part)


def _remove_if_nothing_happened(folder: RunFolder) -> None:
    """A run that ended before its recipe was written leaves no folder behind that a second try would trip over.

    Its lock is held until nothing else is in the folder: a folder in which another run makes its own by then stays.
    """
    with contextlib.suppress(OSError):  # a mount point cannot be removed; what went wrong before matters more
        if not folder.recipe.exists() and {path.name for path in folder.path.iterdir()} <= {folder.events.name, LOCK}:
            folder.events.unlink(missing_ok=True)
            (folder.path / LOCK).unlink()
            folder.path.rmdir()
