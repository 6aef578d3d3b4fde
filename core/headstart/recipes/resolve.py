"""Resolve a recipe in two steps: what does not hang on the data, and what does.

    resolved = resolve_recipe(build_recipe(flags={"data": "digits"}), load_registry())
    resolved.dataset, resolved.options["strategy"]
    bound = bind(resolved, registry, records)
    bound.task, bound.phases

Everything that is known to be wrong before data is read comes in one RecipeError. A PluginError - something needed
failed - comes as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from headstart.data.targets import find_targets
from headstart.host.offers import ResolvedDataset
from headstart.recipe import Recipe
from headstart.recipes.compatibility import check_feature, check_head, check_pretrained_head
from headstart.recipes.effective import write_out
from headstart.recipes.flags import look_up_flags
from headstart.recipes.lookup import Choices, Network, choose, choose_network
from headstart.recipes.option_tables import parse_tables, unused_tables
from headstart.recipes.phases import PhasePlanner, make_planner
from headstart.recipes.problems import Problems
from headstart.registry import Registry
from headstart.specs import (
    PRETRAINED,
    AugmentationSpec,
    BackboneSpec,
    DatasetSpec,
    EngineSpec,
    InputSpec,
    Phase,
    PretrainedHead,
    Records,
    ReporterSpec,
    StrategySpec,
    TaskSpec,
    WeightsSpec,
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ResolvedRecipe:
    """A recipe whose names are specs and whose options are typed, as far as that does not hang on the data.

    `recipe` is the same, every value explicit that is known; `stated` is the recipe as it was given.
    `reference` is the path that the dataset opens, or None. `augmentations` is empty for `--augment none`.
    `backbone` is None where none is named and the medium of the data is known only once it is opened, and so is `input`
    without that medium. `weights` is a published set, a file, or None for random ones; `engine` is None for the best
    there is. `options` are instances by table (`strategy`, `augmentation.classic`), one for everything that is used.
    `warnings` tell of plugins whose check of the recipe failed, though it uses nothing of theirs.
    """

    recipe: Recipe
    stated: Recipe
    dataset: DatasetSpec
    reference: str | None
    backbone: BackboneSpec | None
    input: InputSpec | None
    strategy: StrategySpec
    augmentations: tuple[AugmentationSpec, ...]
    reporters: tuple[ReporterSpec, ...]
    weights: WeightsSpec | Path | None
    engine: EngineSpec | None
    options: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    def options_of(self, group: str, spec: AugmentationSpec | ReporterSpec) -> Any:
        """The options of one augmentation or reporter (`group`); its defaults where this recipe does not use it."""
        if spec not in (*self.augmentations, *self.reporters):
            return spec.options()
        full = f"{group}.{spec.name}"  # written in full where two that are used share a bare name
        return self.options[full if full in self.options else f"{group}.{spec.short_name}"]

    @property
    def choices(self) -> Choices:
        """What was looked up."""
        return Choices(
            dataset=ResolvedDataset(self.dataset, self.reference),
            network=Network(backbone=self.backbone, input=self.input, weights=self.weights),
            strategy=self.strategy,
            augmentations=self.augmentations,
            reporters=self.reporters,
            engine=self.engine,
        )


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
    def built_head(self) -> str:
        """The head as the task builds it."""
        return self.pretrained_head.head if self.pretrained_head else self.head


def resolve_recipe(recipe: Recipe, registry: Registry) -> ResolvedRecipe:
    """Look up and check everything in `recipe` that does not hang on its data; reads none.

    What no task could be bound to is wrong already: the task that it names, or all that a recipe without one may get.
    Raises RecipeError with all problems at once, PluginError where something that the recipe names failed.
    """
    problems = Problems(recipe)
    choices = choose(recipe, registry, problems)
    recipe_now = look_up_flags(recipe, choices.network.input, registry, problems)
    problems.follow(recipe_now)
    options = parse_tables(recipe_now, choices.tables(), problems)
    problems.extend(unused_tables(recipe_now, choices.tables()))
    _refuse_what_no_task_takes(recipe_now, choices, options, registry, problems)
    problems.raise_if_any()
    explicit = write_out(recipe_now, choices, options)
    warnings = _checked_by_plugins(explicit, choices, registry, problems)
    dataset, network = _found(choices.dataset), choices.network
    return ResolvedRecipe(
        recipe=explicit,
        stated=recipe,
        dataset=dataset.spec,
        reference=dataset.reference,
        backbone=network.backbone,
        input=network.input,
        strategy=_found(choices.strategy),
        augmentations=choices.augmentations,
        reporters=choices.reporters,
        weights=network.weights,
        engine=choices.engine,
        options=options,
        warnings=warnings,
    )


def bind(resolved: ResolvedRecipe, registry: Registry, records: Records) -> BoundRecipe:
    """`resolved` with what hangs on its records: their medium's backbone and input kind, and the task of their targets.

    The reason for a task that was not named is its origin in the recipe, and a warning where the targets could be meant
    otherwise. Raises RecipeError where other settings do not suit the data, DataError where no offered kind recognises
    the targets.
    """
    stated = resolved.stated  # what is wrong with its network, `bind_to` tells
    network = choose_network(resolved.choices, stated, registry, Problems(stated), medium=records.medium).network
    task = _task_of_the_head(stated, network, registry)
    if stated.task is not None:
        task = registry.get("tasks", stated.task)
    if task is not None:
        return bind_to(resolved, registry, task=task, medium=records.medium)
    found = find_targets(records, registry)
    bound = bind_to(resolved, registry, task=registry.default_task(found.spec.name), medium=records.medium)
    said = f"the task is {bound.task.short_name}, since {found.reason}; --task NAME chooses another one"
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
    problems = Problems(stated)
    medium = resolved.dataset.medium if medium is None else medium
    choices = choose_network(resolved.choices, stated, registry, problems, medium=medium)
    recipe = look_up_flags(stated, choices.network.input, registry, problems)
    problems.follow(recipe)
    unread = {table: spec for table, spec in choices.tables().items() if table not in resolved.options}
    options = {**resolved.options, **parse_tables(recipe, unread, problems)}
    learning = _learn(task, recipe, choices, options, registry, problems)
    problems.raise_if_any()
    written = write_out(recipe, choices, {**options, "task": learning.options})
    explicit = replace(written, task=task.name, head=learning.head)
    known = (resolved.recipe.backbone, resolved.recipe.task, resolved.recipe.head)
    warnings: tuple[str, ...] = ()
    if known != (explicit.backbone, explicit.task, explicit.head):  # plugins have not seen it whole
        warnings = _checked_by_plugins(explicit, choices, registry, problems, task)
    found = {each.name: getattr(resolved, each.name) for each in fields(ResolvedRecipe)}
    found |= {
        "recipe": explicit,
        "backbone": _found(choices.network.backbone),
        "input": _found(choices.network.input),
        "weights": choices.network.weights,
        "options": {**options, "task": learning.options},
        "warnings": tuple(dict.fromkeys((*resolved.warnings, *warnings))),
    }
    return BoundRecipe(
        **found, task=task, head=_found(learning.head), planner=_found(learning.planner), phases=learning.phases
    )


def _task_of_the_head(recipe: Recipe, network: Network, registry: Registry) -> TaskSpec | None:
    """The task of the head that comes with the weights, where the recipe asks for it and names no task."""
    head = network.weights.head if isinstance(network.weights, WeightsSpec) else None
    if recipe.task is not None or recipe.head != PRETRAINED or head is None:
        return None
    task: TaskSpec = registry.get("tasks", head.task)
    return task


@dataclass(frozen=True, kw_only=True)
class _Learning:
    """What hangs on the task; None where something that it hangs on is not known or was found wrong."""

    head: str | None
    options: Any
    planner: PhasePlanner | None
    phases: tuple[Phase, ...] | None


def _learn(
    task: TaskSpec,
    recipe: Recipe,
    choices: Choices,
    options: Mapping[str, Any],
    registry: Registry,
    problems: Problems,
) -> _Learning:
    """The task's head and options, and the phases where the backbone's stages are known."""
    backbone = choices.network.backbone
    weights = choices.network.weights
    if recipe.head != PRETRAINED:
        head = problems.attempt("head", lambda: check_head(task, recipe.head))
    elif backbone is None:  # whose weights may come with one
        head = None
    else:
        head = problems.attempt("head", lambda: check_pretrained_head(task, weights, registry))
    parsed = parse_tables(recipe, {"task": task}, problems)["task"]
    if backbone is None:
        return _Learning(head=head, options=parsed, planner=None, phases=None)
    problems.attempt("task", lambda: check_feature(task, backbone))
    planner = make_planner(recipe, choices, {**options, "task": parsed}, registry, task=task, head=head)
    phases = None
    if planner is not None and backbone.stages is not None and not problems.about("train"):
        stages = backbone.stages
        phases = problems.attempt("strategy", lambda: planner.plan(stages))
    return _Learning(head=head, options=parsed, planner=planner, phases=phases)


def _refuse_what_no_task_takes(
    recipe: Recipe, choices: Choices, options: Mapping[str, Any], registry: Registry, problems: Problems
) -> None:
    """Problems of the task that is named, or that a pretrained head is for; without one, those of the task that has
    fewest, where each has some."""
    tasks: tuple[TaskSpec, ...]
    if (name := recipe.task) is not None:
        named: TaskSpec | None = problems.attempt("task", lambda: registry.get("tasks", name))
        tasks = () if named is None else (named,)
    else:
        before = len(problems.new)
        of_head = problems.attempt("head", lambda: _task_of_the_head(recipe, choices.network, registry))
        if len(problems.new) > before:
            return
        tasks = registry.default_tasks() if of_head is None else (of_head,)
        if not tasks:
            problems.report("task", "no plugin offers a default task", "name one with --task")
    forks: list[Problems] = []
    for task in tasks:
        fork = problems.fork()
        _learn(task, recipe, choices, options, registry, fork)
        if not fork.new:
            return
        forks.append(fork)
    if forks:
        problems.join(min(forks, key=lambda fork: len(fork.new)))


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


def _found(value: T | None) -> T:
    if value is None:
        raise AssertionError("a recipe without problems has everything it needs")
    return value
