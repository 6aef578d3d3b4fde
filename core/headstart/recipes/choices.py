"""Look up everything that a recipe names; what is wrong goes to `Problems`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.host.references import ResolvedDataset, looks_like_path
from headstart.options import parse_options
from headstart.recipe import Recipe
from headstart.recipes.checks import (
    check_backbone,
    check_batch_norm,
    check_engine,
    check_feature,
    check_head,
    check_inputs,
    check_pretrained_head,
    check_train,
    check_training_precision,
)
from headstart.recipes.problems import Problems
from headstart.registry import Registry
from headstart.specs import (
    PRETRAINED,
    AugmentationSpec,
    BackboneSpec,
    EngineSpec,
    InputSpec,
    ReporterSpec,
    Spec,
    StrategySpec,
    TargetForm,
    TaskSpec,
    WeightsSpec,
)
from headstart.suggest import suggestion

NONE = "none"
"""`--weights none`: random weights. `--augment none`: training samples do not vary."""
EXPECTED: TargetForm = "class"
"""The form of targets that is expected before any was seen."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a recipe names, as specs; None where a name was wrong, or stands for none or any (`weights`, `engine`)."""

    dataset: ResolvedDataset | None
    backbone: BackboneSpec | None
    input: InputSpec | None
    task: TaskSpec | None
    strategy: StrategySpec | None
    augmentations: tuple[AugmentationSpec, ...]
    reporters: tuple[ReporterSpec, ...]
    weights: WeightsSpec | Path | None
    head: str | None
    engine: EngineSpec | None

    def tables(self) -> dict[str, Spec | None]:
        """The option tables of what is used, such as `augmentation.classic`: bare names where unique."""
        tables: dict[str, Spec | None] = {
            "dataset": self.dataset.spec if self.dataset else None,
            "backbone": self.backbone,
            "input": self.input,
            "task": self.task,
            "strategy": self.strategy,
        }
        named: tuple[tuple[str, tuple[Spec, ...]], ...] = (
            ("augmentation", self.augmentations),
            ("reporter", self.reporters),
        )
        for group, specs in named:
            short = [spec.short_name for spec in specs]
            for spec in specs:
                unique = short.count(spec.short_name) == 1
                tables[f"{group}.{spec.short_name if unique else spec.name}"] = spec
        return tables


def choose(recipe: Recipe, registry: Registry, problems: Problems, form: TargetForm | None = None) -> Choices:
    """Look up every name in `recipe`, and check what must fit together. Raises PluginError.

    Where it names no task, the one for targets of this `form` is taken; without one, that which the options suit.
    """
    looked_up = _LookUp(recipe, registry, problems)
    dataset = looked_up.dataset()
    backbone = looked_up.backbone(dataset)
    weights = looked_up.weights(backbone) if backbone else None
    task = problems.attempt("task", lambda: looked_up.task(form, weights))
    choices = Choices(
        dataset=dataset,
        backbone=backbone,
        input=problems.attempt("backbone", lambda: registry.input_of(backbone)) if backbone else None,
        task=task,
        strategy=problems.attempt("strategy", looked_up.strategy),
        augmentations=looked_up.augmentations(),
        reporters=looked_up.reporters(),
        weights=weights,
        head=problems.attempt("head", lambda: looked_up.head(task, weights)) if task else None,
        engine=problems.attempt("engine", lambda: check_engine(recipe, registry)),
    )
    problems.attempt("training_precision", lambda: check_training_precision(recipe.training_precision))
    problems.attempt("batch_norm", lambda: check_batch_norm(recipe.batch_norm))
    if backbone is not None:
        _check_fit(choices, backbone, looked_up)
    return choices


@dataclass(frozen=True)
class _LookUp:
    recipe: Recipe
    registry: Registry
    problems: Problems

    def dataset(self) -> ResolvedDataset | None:
        data = self.recipe.data
        if data is None:
            hint = "name a dataset or a path, as in `headstart fit digits`"
            if not self.problems.about("data"):
                self.problems.report("data", "nothing to learn from", hint)
            return None
        return self.problems.attempt("data", lambda: self.registry.resolve_dataset(data))

    def backbone(self, dataset: ResolvedDataset | None) -> BackboneSpec | None:
        name = self.recipe.backbone
        if name is not None:
            return self.problems.attempt("backbone", lambda: self.registry.resolve_backbone(name))
        if dataset is None:
            return None
        return self.problems.attempt("backbone", lambda: self.registry.default_backbone(dataset.spec.input))

    def head(self, task: TaskSpec, weights: WeightsSpec | Path | None) -> str:
        if self.recipe.head == PRETRAINED:
            return check_pretrained_head(task, weights, self.registry)
        return check_head(task, self.recipe.head)

    def task(self, form: TargetForm | None, weights: WeightsSpec | Path | None) -> TaskSpec:
        if self.recipe.task is not None:
            named: TaskSpec = self.registry.get("tasks", self.recipe.task)
            return named
        if self.recipe.head == PRETRAINED and isinstance(weights, WeightsSpec) and weights.head is not None:
            its: TaskSpec = self.registry.get("tasks", weights.head.task)
            return its
        if form is not None:
            return self.registry.default_task(form)
        first = self.registry.default_task(EXPECTED)
        others = (spec for spec in self.registry.specs("tasks") if spec.default and spec != first)
        return next((spec for spec in (first, *others) if self._takes_options(spec)), first)

    def _takes_options(self, task: TaskSpec) -> bool:
        return not parse_options(task.options, self.recipe.table("task"), "task")[1]

    def strategy(self) -> StrategySpec:
        name = self.recipe.strategy
        found: StrategySpec = (
            self.registry.default_strategy() if name is None else self.registry.get("strategies", name)
        )
        return found

    def augmentations(self) -> tuple[AugmentationSpec, ...]:
        names = self.recipe.augment
        if any(name.rpartition("/")[2] == NONE for name in names):
            if len(names) > 1:
                message = f"{', '.join(names)} contradict each other"
                self.problems.report("augment", message, "leave out none, or the others")
            return ()
        return self._several("augment", "augmentations", names)

    def reporters(self) -> tuple[ReporterSpec, ...]:
        if self.recipe.reporters is None:
            return tuple(spec for spec in self.registry.specs("reporters") if spec.default)
        return self._several("reporters", "reporters", self.recipe.reporters)

    def _several(self, key: str, kind: str, names: Iterable[str]) -> tuple[Any, ...]:
        found: dict[str, Spec] = {}
        for name in names:
            spec = self.problems.attempt(key, lambda name=name: self.registry.get(kind, name))  # type: ignore[misc]
            if spec is not None and spec.name in found:
                self.problems.report(key, f"{spec.name} is named twice")
            elif spec is not None:
                found[spec.name] = spec
        return tuple(found.values())

    def weights(self, backbone: BackboneSpec) -> WeightsSpec | Path | None:
        name = self.recipe.weights
        if name is None:
            return backbone.weights[0] if backbone.weights else None
        if name == NONE:
            return None
        published = {weights.name: weights for weights in backbone.weights}
        if name in published:
            return published[name]
        path = Path(name).expanduser()
        if path.is_file():
            return path
        named_file = looks_like_path(name) or bool(path.suffix)
        what = "no such file" if named_file else f"{backbone.name} has no such weights"
        hint = f"{suggestion(name, [*published, NONE])}; or the path of a weights file"
        self.problems.report("weights", f"{what}: {name}", hint)
        return None


def _check_fit(choices: Choices, backbone: BackboneSpec, looked_up: _LookUp) -> None:
    """What must fit the backbone: backend, stages, the task's feature, and the input kinds."""
    recipe, problems, task = looked_up.recipe, looked_up.problems, choices.task
    problems.attempt("backend", lambda: check_backbone(backbone, recipe.backend))
    problems.attempt("train", lambda: check_train(recipe.train, backbone, choices.strategy))
    if task is not None:
        problems.attempt("task", lambda: check_feature(task, backbone))
    if choices.input is None:
        return
    specs: list[tuple[str, Any]] = [("augment", spec) for spec in choices.augmentations]
    if choices.dataset is not None:
        specs.insert(0, ("data", choices.dataset.spec))
    for key, spec in specs:
        problems.attempt(key, lambda spec=spec: check_inputs(looked_up.registry, spec, backbone))  # type: ignore[misc]
