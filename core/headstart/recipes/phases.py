"""Plan the phases of a recipe: what its strategy makes of it, checked before any data is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.errors import UsageError
from headstart.recipe import Recipe
from headstart.recipes.choices import Choices
from headstart.registry import Registry
from headstart.specs import HEAD, BackboneSpec, Phase, StrategyRequest, StrategySpec, TaskSpec


def plan_phases(recipe: Recipe, choices: Choices, options: Mapping[str, Any], registry: Registry) -> tuple[Phase, ...]:
    """The strategy's phases; () where something that they hang on was already found wrong.

    Raises UsageError where the request contradicts itself, or where a plan could not be carried out.
    """
    strategy, backbone, task, head = choices.strategy, choices.backbone, choices.task, choices.head
    if strategy is None or backbone is None or task is None or head is None or options.get("strategy") is None:
        return ()
    request = StrategyRequest(
        options=options["strategy"],
        stages=backbone.stages,
        train=tuple(recipe.train) if recipe.train else None,
        solvable=is_solvable(task, head),
        augmented=bool(choices.augmentations),
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
    )
    phases = tuple(registry.load_target(strategy, strategy.build)(request))
    if not phases:
        raise UsageError(f"strategy {strategy.name} plans no phase", hint="tell its author, or choose another one")
    for phase in phases:
        _check_phase(phase, strategy, backbone)
    return phases


def is_solvable(task: TaskSpec, head: str) -> bool:
    """Whether the task can fit this head, written as in `--head`, in closed form."""
    return head.partition(":")[0] in task.closed_form


def _check_phase(phase: Phase, strategy: StrategySpec, backbone: BackboneSpec) -> None:
    """What a plan must keep to, whoever wrote the strategy."""
    where = f"strategy {strategy.name}: phase {phase.name!r}"
    hint = "tell its author, or choose another strategy"
    known = (*backbone.stages, HEAD)
    if HEAD not in phase.train or any(stage not in known for stage in phase.train):
        raise UsageError(f"{where} trains {phase.train}; expected {HEAD!r} among stages of {known}", hint=hint)
    lacking = [stage for stage in phase.train if stage not in phase.rates]
    if phase.solver == "gradient" and lacking:
        raise UsageError(f"{where} lacks a rate for {', '.join(lacking)}", hint=hint)
    if phase.solver == "closed_form" and (tuple(phase.train) != (HEAD,) or not phase.strengths):
        raise UsageError(
            f"{where} is in closed form, so it needs strengths and trains the head alone; received train "
            f"{phase.train}, strengths {phase.strengths}",
            hint=hint,
        )
