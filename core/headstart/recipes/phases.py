"""Plan the phases of a recipe: what its strategy makes of it, checked before any data is read where that can be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headstart.errors import UsageError
from headstart.recipe import Recipe
from headstart.recipes.choices import Choices
from headstart.registry import Registry
from headstart.specs import HEAD, Phase, StrategyRequest, StrategySpec, TaskSpec


@dataclass(frozen=True)
class PhasePlanner:
    """A strategy with its request, all but the stages: those of some backbones are known only when they are built."""

    strategy: StrategySpec
    request: StrategyRequest
    registry: Registry

    def plan(self, stages: tuple[str, ...]) -> tuple[Phase, ...]:
        """The strategy's phases for a backbone of these stages, bottom first.

        Raises UsageError where the request contradicts itself, or where a plan could not be carried out.
        """
        strategy = self.strategy
        build = self.registry.load_target(strategy, strategy.build)
        phases = tuple(build(dataclasses.replace(self.request, stages=stages)))
        if not phases:
            raise UsageError(f"strategy {strategy.name} plans no phase", hint="tell its author, or choose another one")
        for phase in phases:
            _check_phase(phase, strategy, stages)
        return phases


def make_planner(
    recipe: Recipe, choices: Choices, options: Mapping[str, Any], registry: Registry
) -> PhasePlanner | None:
    """What plans the phases; None where something that they hang on was already found wrong."""
    strategy, backbone, task, head = choices.strategy, choices.backbone, choices.task, choices.head
    if strategy is None or backbone is None or task is None or head is None or options.get("strategy") is None:
        return None
    request = StrategyRequest(
        options=options["strategy"],
        stages=(),
        train=tuple(recipe.train) if recipe.train else None,
        solvable=is_solvable(task, head),
        augmented=bool(choices.augmentations),
        views=recipe.views,
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
    )
    return PhasePlanner(strategy, request, registry)


def is_solvable(task: TaskSpec, head: str) -> bool:
    """Whether the task can fit this head, written as in `--head`, in closed form."""
    return head.partition(":")[0] in task.closed_form


def _check_phase(phase: Phase, strategy: StrategySpec, stages: tuple[str, ...]) -> None:
    """What a plan must keep to, whoever wrote the strategy."""
    where = f"strategy {strategy.name}: phase {phase.name!r}"
    hint = "tell its author, or choose another strategy"
    known = (*stages, HEAD)
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
