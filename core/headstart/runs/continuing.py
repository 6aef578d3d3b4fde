"""`--continue RUN`: a new run that goes on with a finished one, as a recipe that says all of it in plain settings.

Its network is the run's, head and all; what was not given is as the run had it. So the recipe that is written, whose
`backbone` is the run's folder and whose `head` is `pretrained`, gives the same again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.data.split_file import Split, read_split
from headstart.documents import read_object
from headstart.errors import HeadstartError, Problem, RecipeError, UsageError
from headstart.recipe import LEFT_TO_THE_STRATEGY, PRETRAIN, SETTINGS, Recipe, split_key
from headstart.recipes.build import recipe_of_run
from headstart.recipes.lookup import absolute
from headstart.recipes.resolve import BoundRecipe, resolve_recipe
from headstart.registry import Registry
from headstart.runs.folder import LARGEST_RESULT, RunFolder, finished_run, trained_by
from headstart.specs import PRETRAINED, Finding

NETWORK = ("backbone", "weights", "head", "head_from")
"""Settings that say what a run starts from."""
OWN = frozenset(("out", "engine", "threads", "views", *NETWORK))
"""Settings that are not taken from the run: where it lies, what suited the machine it ran on, views of a part of it
that may learn now, and what it started from."""

OF_THE_STRATEGY = frozenset(("batch_norm", *LEFT_TO_THE_STRATEGY))
"""Settings that go with a strategy: statistics that learn suit one that trains the backbone."""


def continued(stated: Recipe, run: str | Path, registry: Registry, *, resume: bool = False) -> Recipe:
    """`stated` with all that it does not say as the finished `run` had it, and that run's network to start from.

    Options go with what they are for: another strategy, task, dataset or augmentation has none of the run's. Those of
    the run's strategy that only a head without training has a use for are left out. Raises UsageError for a recipe of
    pretraining, and where `run` did not finish or solved for its head in closed form alone, RecipeError for what
    contradicts it.
    """
    _refuse_contradictions(stated, run, resume=resume)
    folder = finished_run(run)
    own = recipe_of_run(folder.recipe)
    _refuse_what_is_solved(stated, own, folder, run, registry)
    kept = {
        key: f"run {run}" for key in own.origins if _is_taken(key, stated, own, registry) and key not in stated.origins
    }
    whole = _merged(stated, own, kept, backbone=absolute(str(run)), run=run)
    return _without_idle_options(whole, registry)


def _refuse_contradictions(stated: Recipe, run: str | Path, *, resume: bool) -> None:
    if PRETRAIN in stated.origins.values():
        raise UsageError(
            f"pretraining begins with random weights, and --continue {run} with those of that run",
            hint=f"`headstart fit --continue {run}` goes on as that run was trained, from scratch or not",
        )
    found = [
        Problem(name, f"{stated.origin(name)} says {getattr(stated, name)}, and --continue {run} starts from that run")
        for name in NETWORK
        if name in stated.origins
    ]
    if files := sorted({origin for origin in stated.origins.values() if origin.startswith("file ")}):
        found.append(Problem("continue", f"--continue {run} takes that run's recipe, and --recipe names a {files[0]}"))
    if resume:
        hint = "--resume goes on with a run that stopped, --continue begins a new one: leave one out"
        found.append(Problem("continue", f"--continue {run} and --resume are both given", hint))
    if found:
        raise RecipeError([replace(each, hint=each.hint or "leave one out") for each in found])


def _refuse_what_is_solved(stated: Recipe, own: Recipe, folder: RunFolder, run: str | Path, registry: Registry) -> None:
    """A head in closed form is at its optimum: there is no next epoch."""
    phases = read_object(folder.result, LARGEST_RESULT).get("phases") or ()
    same = stated.strategy is None or registry.get("strategies", stated.strategy).name == own.strategy
    if same and phases and all(phase.get("solver") for phase in phases):
        raise UsageError(
            f"{run} solved for its head in closed form: there is nothing to go on with",
            hint="train the backbone from there, as with --strategy lp_ft",
        )


def _is_taken(key: str, stated: Recipe, own: Recipe, registry: Registry) -> bool:
    """Whether a value of the run still belongs to what was chosen now."""
    table, name = split_key(key)
    if (name in OWN and name == key) or table == "backbone":
        return False
    if stated.strategy is not None and (table == "strategy" or key in OF_THE_STRATEGY):
        return bool(registry.get("strategies", stated.strategy).name == own.strategy)
    if stated.task is not None and table == "task":
        return bool(registry.get("tasks", stated.task).name == own.task)
    if stated.data is not None and table == "dataset":
        targets = registry.targets_of(stated.task or own.task)
        return registry.resolve_dataset(stated.data, targets).spec == registry.resolve_dataset(str(own.data)).spec
    group, _, used = table.partition(".")
    if group == "augmentation" and stated.origin("augment") != "default":
        return used in {each.rpartition("/")[2] for each in stated.augment}
    if group == "reporter" and stated.reporters is not None:
        return used in {each.rpartition("/")[2] for each in stated.reporters}
    return True


def _merged(stated: Recipe, own: Recipe, kept: Mapping[str, str], *, backbone: str, run: str | Path) -> Recipe:
    """`stated` with the values `kept` of the run, by key with their origins, and its network."""
    options: dict[str, dict[str, Any]] = {}
    settings: dict[str, Any] = {"backbone": backbone, "head": PRETRAINED}
    for key in kept:
        table, name = split_key(key)
        if name in SETTINGS and name == key:
            settings[name] = getattr(own, name)
        else:
            options.setdefault(table, {})[name] = own.table(table)[name]
    for table, values in stated.options.items():
        options[table] = {**options.get(table, {}), **values}
    origins = {**kept, **dict.fromkeys(("backbone", "head"), f"flag --continue {run}"), **stated.origins}
    return replace(stated, **settings, options=options, origins=origins)


def _without_idle_options(recipe: Recipe, registry: Registry) -> Recipe:
    """`recipe` without those options of the run's that have nothing to act on now that its head comes trained."""
    try:
        resolve_recipe(recipe, registry)
    except RecipeError as exc:
        idle = {problem.where.partition(" (")[0] for problem in exc.problems if problem.idle}
        idle = {key for key in idle if recipe.origin(key).startswith("run ")}
        options = {
            table: {name: value for name, value in values.items() if f"{table}.{name}" not in idle}
            for table, values in recipe.options.items()
        }
        origins = {key: origin for key, origin in recipe.origins.items() if key not in idle}
        return replace(recipe, options=options, origins=origins)
    return recipe


def changed_since(bound: BoundRecipe, split: Split) -> Iterator[Finding]:
    """What to mind where a run goes on with another one, its head among it, on the same data: samples that are others
    since or lie on other sides, and a head that val no longer judges."""
    run = None if bound.pretrained_head is None else trained_by(Path(str(bound.recipe.backbone)))
    if run is None or not (folder := RunFolder(run)).split.is_file():
        return
    try:
        is_same, earlier = recipe_of_run(folder.recipe).data == bound.recipe.data, read_split(folder.split)
    except HeadstartError as exc:
        yield Finding("warning", f"whether the samples are as {run} had them is not known: {exc.message}")
        return
    if not is_same:
        return
    before, now = ({row.key: row for row in each.rows} for each in (earlier, split))
    both = before.keys() & now.keys()
    counts = {
        "gone": len(before.keys() - both),
        "new": len(now.keys() - both),
        "changed": sum(
            (before[key].content_hash, before[key].target) != (now[key].content_hash, now[key].target) for key in both
        ),
        "on another side of the split": sum(before[key].split != now[key].split for key in both),
    }
    if told := [f"{count:,} {what}" for what, count in counts.items() if count]:
        yield Finding(
            "warning",
            f"the samples are not as {run} had them: {', '.join(told)}; what it trained on may be held out here",
            sum(counts.values()),
            "start from what that run started from, for scores that tell how well new samples are answered",
        )
    if folder.result.is_file() and read_object(folder.result, LARGEST_RESULT).get("refit"):
        yield Finding(
            "warning",
            f"{run} fitted its head on train and val together: scores on val are too good here, those on test are not",
            hint="start from a run of another strategy, such as lp_ft, where val is to choose",
        )
