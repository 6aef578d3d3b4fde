"""Going on with a run: the recipe that it began with, the split it wrote, and its last checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.documents import read_object
from headstart.errors import DataError, Problem, RecipeError, UsageError
from headstart.eventlog import EventLog, read_all_events, read_events
from headstart.events import RunFinished, RunResumed, RunStarted
from headstart.lineage import LINEAGE, read_lineage
from headstart.lists import in_line
from headstart.recipe import KIND, LEFT_TO_THE_STRATEGY, PRETRAIN, SETTINGS, Recipe
from headstart.recipes.build import recipe_of_run
from headstart.recipes.lookup import absolute
from headstart.recipes.option_tables import look_up_flags
from headstart.recipes.problems import Problems
from headstart.recipes.resolve import bind_to, resolve_recipe
from headstart.registry import Registry
from headstart.runs.folder import LARGEST_RESULT, RunFolder, holds_no_run
from headstart.specs import AUTO

if TYPE_CHECKING:
    from headstart.engine.train.checkpoints import Checkpoints, Loaded
    from headstart.runs.planning import Plan

ASSETS = "assets"
"""In environment.json, the digests of the files that the run's input kind and task are built from."""
RESTORE = "restore it from a copy, or start a new run in another folder"


@dataclass(frozen=True)
class Resumed:
    """A run that goes on: its checkpoints, the last one, and all its resumptions as `result.json` lists them."""

    checkpoints: Checkpoints
    loaded: Loaded
    places: tuple[dict[str, Any], ...]


def taken_up(stated: Recipe, registry: Registry) -> Recipe:
    """The recipe of the run in `stated.out`, or `stated` where nothing was written there yet.

    Raises UsageError without a folder, RecipeError naming each value that differs from the run's own.
    """
    if stated.out is None:
        raise UsageError("--resume goes on with the run in a folder", hint="name it: --resume --out DIR")
    folder = RunFolder(Path(stated.out))
    if not folder.recipe.is_file():
        if folder.path.is_dir() and not holds_no_run(folder):
            raise UsageError(f"{folder.path} holds no run: there is no {folder.recipe.name}", hint="check the folder")
        if stated.data is None:
            raise UsageError(
                f"there is no run in {folder.path} to go on with, and no data to begin one with",
                hint="check the folder, or name a dataset, a path or KIND:PATH too",
            )
        return stated
    own = recipe_of_run(folder.recipe)
    given = Problems(stated)
    named = own.table("input").get(KIND)
    kind = None if named is None else registry.input_kind(name=str(named))
    stated = look_up_flags(stated, kind, registry, given)
    problems = [*given.found, *_differences(stated, own, registry)]
    if problems:
        raise RecipeError(problems)
    # A run goes on with its own backend, whatever KERAS_BACKEND says: as if it had been asked for by a flag.
    recipe = replace(own, out=stated.out, origins={**own.origins, "backend": "flag --backend"})
    if not is_finished(recipe):
        _verify_source_there(recipe, folder)
    return recipe


def _verify_source_there(recipe: Recipe, folder: RunFolder) -> None:
    """Raise UsageError where a folder is gone that the run's backbone or head was read from: what is frozen is in no
    checkpoint."""
    for source in (recipe.backbone, recipe.head_from):
        if source is not None and Path(source).is_absolute() and not Path(source).exists():
            raise UsageError(
                f"{folder.path} began from {source}, which is not there any more",
                hint="restore that folder, or start a new run in another one",
            )


def _differences(stated: Recipe, own: Recipe, registry: Registry) -> list[Problem]:
    """Values that were given now and are others in the run's recipe."""
    found = []
    for key, origin in stated.origins.items():
        table, _, name = key.rpartition(".")
        if (not table and name not in SETTINGS) or key == "out" or origin == PRETRAIN:
            continue
        mine = stated.table(table).get(name) if table else getattr(stated, name)
        yours = own.table(table).get(name) if table else getattr(own, name)
        if mine in (AUTO, (AUTO,)) or _same(mine, yours):  # what was chosen then is pinned now
            continue
        if key in LEFT_TO_THE_STRATEGY and yours is None:
            if _plans_the_same(own, key, mine, registry):
                continue
            difference = f"{origin} says {mine}, the run leaves it to its strategy"
        else:
            difference = f"{origin} says {mine}, the run has {'none' if yours is None else yours}"
        found.append(Problem(key, difference, "leave it out: a run goes on as it began"))
    return found


def _plans_the_same(own: Recipe, key: str, value: Any, registry: Registry) -> bool:
    """Whether the phases are the same with a setting as without it; False where they are not known yet."""
    given: dict[str, Any] = {key: value}
    try:
        task = registry.get("tasks", str(own.task))
        resolved = [resolve_recipe(recipe, registry) for recipe in (own, replace(own, **given))]
        plans = [bind_to(each, registry, task=task, medium=None).phases for each in resolved]
    except UsageError:
        return False
    return plans[0] is not None and plans[0] == plans[1]


def _same(mine: Any, yours: Any) -> bool:
    """Whether two spellings mean the same: names, which no path is, may be written with their plugin or without."""
    if isinstance(mine, tuple | list) and isinstance(yours, tuple | list):
        return len(mine) == len(yours) and all(map(_same, mine, yours))
    one, other = (str(each).lower() if isinstance(yours, bool) else str(each) for each in (mine, yours))
    return one == other or _number(one) == _number(other) is not None or _same_reference(one, other)


def _same_reference(one: str, other: str) -> bool:
    """Whether `one` is a shorter spelling of `other`: `KIND:PATH`, a name, or a path, which may be relative."""
    (kind, colon, path), (its_kind, its_colon, its_path) = one.rpartition(":"), other.rpartition(":")
    if colon and its_colon:
        return _same_name(kind, its_kind) and (path == its_path or absolute(path) == its_path)
    return absolute(one) == (other if not its_colon else its_path) or (not its_colon and _same_name(one, other))


def _same_name(one: str, other: str) -> bool:
    """Names, which no path is, may be written with their plugin or without."""
    return one == other or (other.endswith(f"/{one}") and not other.startswith(("/", ".", "~")))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def is_finished(recipe: Recipe) -> bool:
    """Whether the run came to its end with all that it leaves, and its history says so, which reports need."""
    if recipe.out is None:
        return False
    folder = RunFolder(Path(recipe.out))
    if not (folder.result.is_file() and folder.events.is_file() and folder.artefact.is_dir()):
        return False
    try:
        read_object(folder.result, LARGEST_RESULT)
        return any(isinstance(event, RunFinished) for event in read_events(folder.events))
    except DataError:  # reported, or repaired at its end, where the run goes on
        return False


def take_up(plan: Plan, folder: RunFolder, log: EventLog, warn: Callable[[str], None]) -> Resumed | None:
    """Read what a run left, replay to its reporters what they had seen, and say that it goes on.

    None where there is no checkpoint yet: then it starts. Raises DataError where the data is not as the run had it.
    """
    from headstart.engine.train.checkpoints import Checkpoints

    checkpoints = Checkpoints(folder.checkpoints)
    if not folder.split.is_file():
        if checkpoints.names():
            raise DataError(f"{folder.split} is gone, by which the run split its data", hint=RESTORE)
        return None
    from headstart.data.split_file import read_split

    if read_split(folder.split).hash != plan.data.split.hash:
        raise DataError(
            f"the data is not what the run began with: it splits otherwise than {folder.split} says",
            hint="restore the data, or start a new run in another folder",
        )
    loaded = checkpoints.load_last(warn)
    if loaded is None:
        return None
    _verify_same_weights(plan, folder)
    _verify_same_assets(plan, folder)
    earlier = [event for event in read_all_events(folder.events, log.found) if isinstance(event, RunResumed)]
    wanted = int(loaded.facts["events"])
    seen = read_events(folder.events, log.found)[:wanted]
    if not any(isinstance(event, RunStarted) for event in seen):
        raise DataError(f"{folder.events} does not hold how the run began", hint=RESTORE)
    if len(seen) < wanted:
        warn(f"{folder.events} lacks {wanted - len(seen)} of the events before {checkpoints.last}: reports lack them")
    log.take_up(seen)
    here = RunResumed(phase=str(loaded.facts["name"]), step=loaded.step, after=len(seen))
    log.emit(here)
    return Resumed(checkpoints, loaded, tuple({"phase": each.phase, "step": each.step} for each in (*earlier, here)))


def _verify_same_weights(plan: Plan, folder: RunFolder) -> None:
    """Raise DataError where what the run starts from is not what it began with, as far as digests tell: what is frozen
    is in no checkpoint."""
    began = read_object(folder.environment, LARGEST_RESULT).get(LINEAGE) if folder.environment.is_file() else None
    if began is None:
        return
    if [each.digest for each in read_lineage(began, str(folder.environment))] != [each.digest for each in plan.lineage]:
        recipe = plan.resolved.recipe
        raise DataError(
            f"the weights {recipe.weights} of {recipe.backbone} are not those that {folder.path} began with",
            hint="restore them, or start a new run in another folder",
        )


def _verify_same_assets(plan: Plan, folder: RunFolder) -> None:
    """Raise DataError where a vocabulary, say, that is fitted to the training split is not as the run had it."""
    began = read_object(folder.environment, LARGEST_RESULT).get(ASSETS) if folder.environment.is_file() else None
    if not isinstance(began, dict):  # begun by an older release
        return
    for part, now in plan.assets().items():
        before = began.get(part)
        if isinstance(before, dict) and before != now:
            changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
            raise DataError(
                f"what {folder.path} read off its training split is not what it began with: {part} {in_line(changed)}",
                hint="another release of a package may fit it otherwise: install what the run began with, see "
                f"{folder.environment.name}, or start a new run in another folder",
            )
