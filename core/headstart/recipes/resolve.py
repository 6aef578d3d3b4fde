"""Resolve a recipe in two steps: what does not depend on the data, and what does.

    resolved = resolve_recipe(build_recipe(flags={"data": "digits"}), load_registry())
    resolved.dataset, resolved.options["strategy"]
    bound = bind(resolved, registry, records)
    bound.task, bound.phases

Everything that is known to be wrong before data is read comes in one RecipeError. A PluginError - something needed
failed - comes as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from headstart.backend import BackendChoice, announce, choose_backend
from headstart.data.targets import find_targets, kinds_of
from headstart.errors import Problem
from headstart.recipe import Recipe
from headstart.recipes.compatibility import (
    check_feature,
    check_head,
    check_pretrained_head,
    check_targets,
    head_that_begins,
)
from headstart.recipes.head_source import check_head_source, implied_by, open_head_source
from headstart.recipes.lookup import Choices, awaits_augmentation, choose, choose_network, write_out
from headstart.recipes.option_tables import (
    inherit_reading,
    look_up_flags,
    parse_own_tables,
    parse_tables,
    unused_tables,
)
from headstart.recipes.phases import PhasePlanner, make_planner
from headstart.recipes.problems import Problems
from headstart.registry import Registry
from headstart.spans import span
from headstart.specs import (
    PRETRAINED,
    AugmentationSpec,
    BackboneSpec,
    DatasetSpec,
    InputSpec,
    Phase,
    PretrainedHead,
    Records,
    ReporterSpec,
    StrategySpec,
    TaskSpec,
    WeightsSpec,
    features_of_head,
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ResolvedRecipe(Choices):
    """A recipe whose names are specs and whose options are typed, as far as that does not depend on the data.

    `recipe` is the same, every value explicit that is known; `stated` is the recipe as it was given. `backbone` is None
    where none is named and the medium of the data is known only once it is opened, and so is `input` without that
    medium. `options` are instances by table (`split`, `strategy`, `augmentation.classic`), one for everything that is
    used. `warnings` tell of plugins whose check of the recipe failed, though it uses nothing of theirs; once bound also
    of what could be meant otherwise.
    """

    dataset: DatasetSpec
    strategy: StrategySpec
    recipe: Recipe
    stated: Recipe
    options: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    def options_of(self, group: str, spec: AugmentationSpec | ReporterSpec) -> Any:
        """The options of one augmentation or reporter (`group`); its defaults where this recipe does not use it."""
        if spec not in (*self.augmentations, *self.reporters):
            return spec.options()
        full = f"{group}.{spec.name}"  # written in full where two that are used share a bare name
        return self.options[full if full in self.options else f"{group}.{spec.short_name}"]


@dataclass(frozen=True, kw_only=True)
class BoundRecipe(ResolvedRecipe):
    """A recipe with everything that it needs: the task that its data asks for, or that it names, and what follows.

    `planner` plans the phases; `phases` are what it makes of the backbone's stages, None where those are not known
    before it is built.
    """

    backbone: BackboneSpec
    input: InputSpec
    task: TaskSpec
    head: str
    planner: PhasePlanner
    phases: tuple[Phase, ...] | None

    @property
    def pretrained_head(self) -> PretrainedHead | None:
        """The head that comes with the weights, where it was asked for."""
        return self.weights.head if self.head == PRETRAINED and isinstance(self.weights, WeightsSpec) else None

    @property
    def begun_head(self) -> PretrainedHead | None:
        """The head that comes with the weights, where a new one begins as it."""
        head = None if self.head_source is not None else head_that_begins(self.task, self.weights)
        return head if head is not None and head.head == self.head else None

    @property
    def built_head(self) -> str:
        """The head as the task builds it."""
        return self.pretrained_head.head if self.pretrained_head else self.head


@dataclass(frozen=True)
class Ready:
    """A recipe that was checked, and the backend it will run on."""

    registry: Registry
    choice: BackendChoice
    resolved: ResolvedRecipe


@span("recipe")
def make_ready(stated: Recipe, registry: Registry) -> Ready:
    """Choose the backend and check the whole recipe. Reads no data and imports no framework."""
    by_flag = stated.origin("backend").startswith(("flag", "--set"))
    choice = choose_backend(stated.backend if by_flag else None, None if by_flag else stated.backend)
    origins = {**stated.origins, "backend": stated.origins.get("backend", choice.origin)}
    resolved = resolve_recipe(replace(stated, backend=choice.name, origins=origins), registry)
    announce(choice)
    return Ready(registry, choice, resolved)


def resolve_recipe(
    recipe: Recipe, registry: Registry, *, trains: bool = True, learns: str | None = None
) -> ResolvedRecipe:
    """Look up and check everything in `recipe` that does not depend on its data; reads none.

    What no task could be bound to is wrong already: the task that it names, or all that a recipe without one may get.
    Where nothing `trains` any more, task, head and phases are not looked at: those of a finished run are settled, whose
    task is the one that `learns`. Raises RecipeError with all problems at once, PluginError where something that the
    recipe names failed.
    """
    problems = Problems(recipe)
    source = None
    if recipe.head_from is not None:
        source = problems.attempt("head_from", open_head_source, recipe.head_from, registry)
    if source is not None:
        recipe = implied_by(source, recipe)
        problems.follow(recipe)
    choices = replace(choose(recipe, registry, problems, learns=learns), head_source=source)
    recipe_now = look_up_flags(recipe, choices.input, registry, problems)
    recipe_now = inherit_reading(recipe_now, choices.backbone, choices.input)
    problems.follow(recipe_now)
    options = parse_own_tables(recipe_now, problems) | parse_tables(recipe_now, choices.tables(), problems)
    if not awaits_augmentation(recipe_now, choices):
        problems.extend(unused_tables(recipe_now, choices.tables()))
    if trains:
        _refuse_what_no_task_takes(recipe_now, choices, options, registry, problems)
    problems.raise_if_any()
    explicit = write_out(recipe_now, choices, options)
    warnings = _checked_by_plugins(explicit, choices, registry, problems)
    return ResolvedRecipe(**vars(choices), recipe=explicit, stated=recipe, options=options, warnings=warnings)


def bind(resolved: ResolvedRecipe, registry: Registry, records: Records) -> BoundRecipe:
    """`resolved` with what depends on its records: their medium's backbone and input kind, and the targets' task.

    The reason for a task that was not named is its origin in the recipe, and a warning where the targets could be meant
    otherwise. Raises RecipeError where other settings do not suit the data, DataError where no offered kind recognises
    the targets.
    """
    stated = resolved.stated  # what is wrong with its network, `bind_to` tells
    chosen = choose_network(resolved, stated, registry, Problems(stated), medium=records.medium)
    task = _named_task(stated, chosen.weights, registry)
    if task is not None:
        return bind_to(resolved, registry, task=task, medium=records.medium)
    found = find_targets(records, registry)
    bound = bind_to(resolved, registry, task=registry.default_task(found.spec.name), medium=records.medium)
    learned = [(spec, registry.get("targets", spec.targets)) for spec in registry.default_tasks()]
    ways = [
        f"--task {spec.short_name} learns {kind.means} of each"
        for spec, kind in learned
        if found.instead in (kind.name, kind.short_name)
    ]
    way = ways[0] if ways else "--task NAME chooses another one"
    said = f"the task is {bound.task.short_name}, since {found.reason}; {way}"
    origins = {**bound.recipe.origins, "task": f"the data: {found.reason}"}
    return replace(
        bound,
        recipe=replace(bound.recipe, origins=origins),
        warnings=(*bound.warnings, said) if found.could_differ else bound.warnings,
    )


def bind_to(resolved: ResolvedRecipe, registry: Registry, *, task: TaskSpec, medium: str | None) -> BoundRecipe:
    """`resolved` with `task`, for data of `medium`; None: that of the dataset's spec, or the recipe names its backbone
    and input kind.

    Raises RecipeError.
    """
    stated = resolved.stated
    if task.batch_size is not None and "batch_size" not in stated.origins:
        origins = {**stated.origins, "batch_size": f"from {task.name}"}
        stated = replace(stated, batch_size=task.batch_size, origins=origins)
    problems = Problems(stated)
    medium = resolved.dataset.medium if medium is None else medium
    chosen = choose_network(resolved, stated, registry, problems, medium=medium)
    recipe = look_up_flags(stated, chosen.input, registry, problems)
    recipe = inherit_reading(recipe, chosen.backbone, chosen.input)
    problems.follow(recipe)
    problems.extend(unused_tables(recipe, chosen.tables()))
    unread = {table: spec for table, spec in chosen.tables().items() if table not in resolved.options}
    options = {**resolved.options, **parse_tables(recipe, unread, problems)}
    learning = _learn(task, recipe, chosen, options, registry, problems)
    problems.raise_if_any()
    explicit = replace(write_out(recipe, chosen, learning.options), task=task.name, head=learning.head)
    seen, whole = ((each.backbone, each.task, each.head, each.batch_size) for each in (resolved.recipe, explicit))
    warnings = resolved.warnings
    if seen != whole:  # plugins have not seen it whole
        told = _checked_by_plugins(explicit, chosen, registry, problems, task)
        warnings = tuple(dict.fromkeys((*warnings, *told)))
    if resolved.strategy.default_from_scratch and chosen.weights is not None:
        warnings += (
            f"the strategy {resolved.strategy.short_name} is meant for random weights, and the backbone begins with "
            f"{explicit.weights!r}: --weights none makes them random, other strategies start from them",
        )
    if None in (chosen.backbone, chosen.input, learning.head, learning.planner):
        raise AssertionError("a recipe without problems has everything it needs")
    bound = {**vars(chosen), **vars(learning), "recipe": explicit, "warnings": warnings}
    return BoundRecipe(**bound, task=task)


def _named_task(recipe: Recipe, weights: WeightsSpec | Path | None, registry: Registry) -> TaskSpec | None:
    """The task that the recipe names, or that of the head that comes with the weights, where it asks for that one."""
    name = recipe.task
    if name is None and recipe.head == PRETRAINED and isinstance(weights, WeightsSpec) and weights.head is not None:
        name = weights.head.task
    return None if name is None else registry.get("tasks", name)


@dataclass(frozen=True, kw_only=True)
class _Learning:
    """All options with those of the task, and what depends on it; None where that is not known or was found wrong."""

    options: Mapping[str, Any]
    head: str | None
    planner: PhasePlanner | None = None
    phases: tuple[Phase, ...] | None = None


def _learn(
    task: TaskSpec,
    recipe: Recipe,
    choices: Choices,
    options: Mapping[str, Any],
    registry: Registry,
    problems: Problems,
) -> _Learning:
    """The task's head and options, and the phases where the backbone's stages are known."""
    backbone = choices.backbone
    head = None
    coming = choices.weights.head if isinstance(choices.weights, WeightsSpec) else None
    is_meant = task.comes_trained or (coming is not None and coming.default and coming.task == task.name)
    is_published = recipe.head == PRETRAINED or (recipe.head is None and is_meant and not choices.head_source)
    if not is_published:
        begun = head_that_begins(task, choices.weights)
        head = problems.attempt("head", check_head, task, recipe.head or (begun.head if begun else None))
    elif backbone is not None:  # whose weights may come with one
        head = problems.attempt("head", check_pretrained_head, task, choices.weights, registry)
    options = {**options, **parse_tables(recipe, {"task": task}, problems)}
    if backbone is None:
        return _Learning(options=options, head=head)
    published = choices.weights.head if head == PRETRAINED and isinstance(choices.weights, WeightsSpec) else None
    built = published.head if published else head or task.heads[0]
    features = features_of_head(task, built)
    key = "task" if features == task.features else "head"
    problems.attempt(key, check_feature, task, built, backbone)
    if choices.head_source is not None and head is not None:
        problems.attempt("head_from", check_head_source, choices.head_source, choices, options, task=task, head=head)
    planner = make_planner(recipe, choices, options, registry, task=task, head=head, features=features)
    phases = None
    if planner is not None and backbone.stages is not None and not problems.about("train"):
        phases = problems.attempt("strategy", planner.plan, backbone.stages)
    return _Learning(options=options, head=head, planner=planner, phases=phases)


def _refuse_what_no_task_takes(
    recipe: Recipe, choices: Choices, options: Mapping[str, Any], registry: Registry, problems: Problems
) -> None:
    """Problems of the task that is named, or that a pretrained head is for, and that its targets are no others than
    the dataset has; without one, those of the task that has fewest, where each that the data can get has some."""
    before = len(problems.found)
    key = "head" if recipe.task is None else "task"
    named = problems.attempt(key, _named_task, recipe, choices.weights, registry)
    if len(problems.found) > before:
        return
    if named is None:
        tasks = problems.attempt("data", _tasks_without_a_name, recipe, choices, registry)
        if tasks is None:
            return
    else:
        tasks = (named,)
        problems.attempt(key, check_targets, named, choices.dataset, registry)
        if len(problems.found) > before:  # with another task, what else is wrong with this one is no matter
            return
    if not tasks:
        problems.report("task", "no plugin offers a default task", "name one with --task")
        return
    by_task: list[list[Problem]] = []
    for task in tasks:
        tried = Problems(recipe, problems.found)
        _learn(task, recipe, choices, options, registry, tried)
        new = tried.found[before:]
        if not new:
            return
        by_task.append(new)
    fewest = min(by_task, key=len)
    problems.extend(fewest)


def _tasks_without_a_name(recipe: Recipe, choices: Choices, registry: Registry) -> tuple[TaskSpec, ...]:
    """The tasks that the data can get where none is named. Raises UsageError where its targets are of a kind that is
    not installed, PluginError where the plugin that offers this failed."""
    dataset, every = choices.dataset, registry.default_tasks()
    may_bring_its_task = recipe.head == PRETRAINED and choices.backbone is None  # whose head is not known yet
    if dataset is None or not dataset.targets or may_bring_its_task:
        return every
    kinds = kinds_of(dataset, registry) or (registry.get("targets", dataset.targets[0]),)
    names = {name for kind in kinds for name in (kind.name, kind.short_name)}
    return tuple(task for task in every if task.targets in names)


def _checked_by_plugins(
    recipe: Recipe, choices: Choices, registry: Registry, problems: Problems, task: TaskSpec | None = None
) -> tuple[str, ...]:
    """Raise what the plugins find wrong with the recipe; returns what to tell of checks that failed themselves."""
    found, failures = registry.check_recipe(
        recipe, {spec.plugin for spec in (*choices.tables().values(), task) if spec}
    )
    problems.extend(found)
    problems.raise_if_any()
    return tuple(failures)
