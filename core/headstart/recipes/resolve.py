"""Resolve a recipe: look up every name, parse every table of options, and check the whole at once.

    resolved = resolve_recipe(build_recipe(flags={"data": "digits"}), load_registry())
    resolved.backbone, resolved.options["strategy"]

Everything that is wrong comes in one RecipeError. A PluginError - something needed failed - comes as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from headstart.recipe import Recipe
from headstart.recipes.choices import Choices, choose
from headstart.recipes.explicit import write_out
from headstart.recipes.option_tables import parse_tables
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
    ReporterSpec,
    StrategySpec,
    TargetForm,
    TaskSpec,
    WeightsSpec,
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ResolvedRecipe:
    """A recipe whose names are specs and whose options are typed. `recipe` is the same, every value explicit; `stated`
    is the recipe as it was given.

    `reference` is the path that the dataset opens, or None. `augmentations` is empty for `--augment none`.
    `weights` is a published set, a file, or None for random ones; `engine` is None for the best there is. `options` are
    instances by table
    (`strategy`, `augmentation.classic`), one for everything that is used.
    `planner` plans the phases; `phases` are what it makes of the backbone's stages, None where those are not known
    before it is built. `warnings` tell of plugins whose check of the recipe failed, though it uses nothing of theirs.
    """

    recipe: Recipe
    stated: Recipe
    dataset: DatasetSpec
    reference: str | None
    backbone: BackboneSpec
    input: InputSpec
    task: TaskSpec
    head: str
    strategy: StrategySpec
    augmentations: tuple[AugmentationSpec, ...]
    reporters: tuple[ReporterSpec, ...]
    weights: WeightsSpec | Path | None
    engine: EngineSpec | None
    options: Mapping[str, Any]
    planner: PhasePlanner
    phases: tuple[Phase, ...] | None
    warnings: tuple[str, ...] = ()

    @property
    def pretrained_head(self) -> PretrainedHead | None:
        """The head that comes with the weights, where it was asked for."""
        return self.weights.head if self.head == PRETRAINED and isinstance(self.weights, WeightsSpec) else None

    @property
    def built_head(self) -> str:
        """The head as the task builds it."""
        return self.pretrained_head.head if self.pretrained_head else self.head

    def options_of(self, group: str, spec: AugmentationSpec | ReporterSpec) -> Any:
        """The options of one augmentation or reporter (`group`); its defaults where this recipe does not use it."""
        if spec not in (*self.augmentations, *self.reporters):
            return spec.options()
        full = f"{group}.{spec.name}"  # written in full where two that are used share a bare name
        return self.options[full if full in self.options else f"{group}.{spec.short_name}"]


def resolve_recipe(recipe: Recipe, registry: Registry, form: TargetForm | None = None) -> ResolvedRecipe:
    """Look up and check everything in `recipe`; reads no data.

    A recipe that names no task gets the one for targets of this `form`. Before the data was seen that is None, and a
    likely task stands in for it: see `headstart.runs.settling`.
    Raises RecipeError with all problems at once, PluginError where something that the recipe names failed.
    """
    problems = Problems(recipe)
    choices = choose(recipe, registry, problems, form)
    options = parse_tables(recipe, choices, problems)
    planner = make_planner(recipe, choices, options, registry)
    stages = choices.backbone.stages if choices.backbone else None
    phases = None
    if planner is not None and stages is not None and not problems.about("train"):
        phases = problems.attempt("strategy", lambda: planner.plan(stages))
    problems.raise_if_any()
    explicit = write_out(recipe, choices, options)
    checked = registry.check_recipe(explicit, {spec.plugin for spec in choices.tables().values() if spec})
    problems.extend(checked.problems)
    problems.raise_if_any()
    resolved = _resolved((explicit, recipe), choices, options, planner=_found(planner), phases=phases)
    return replace(resolved, warnings=checked.failures)


def _resolved(
    recipes: tuple[Recipe, Recipe],
    choices: Choices,
    options: Mapping[str, Any],
    *,
    planner: PhasePlanner,
    phases: tuple[Phase, ...] | None,
) -> ResolvedRecipe:
    dataset = _found(choices.dataset)
    recipe, stated = recipes
    return ResolvedRecipe(
        recipe=recipe,
        stated=stated,
        dataset=dataset.spec,
        reference=dataset.reference,
        backbone=_found(choices.backbone),
        input=_found(choices.input),
        task=_found(choices.task),
        head=_found(choices.head),
        strategy=_found(choices.strategy),
        augmentations=choices.augmentations,
        reporters=choices.reporters,
        weights=choices.weights,
        engine=choices.engine,
        options=options,
        planner=planner,
        phases=phases,
    )


def _found(value: T | None) -> T:
    if value is None:
        raise AssertionError("a recipe without problems has everything it needs")
    return value
