"""Look up everything that a recipe names; what is wrong goes to `Problems`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from headstart.host.offers import ResolvedDataset, looks_like_path
from headstart.recipe import Recipe
from headstart.recipes.compatibility import (
    check_augmentation,
    check_backbone,
    check_batch_norm,
    check_engine,
    check_train,
    check_training_precision,
)
from headstart.recipes.problems import Problems
from headstart.recipes.sections import KIND
from headstart.registry import Registry
from headstart.specs import (
    AugmentationSpec,
    BackboneSpec,
    EngineSpec,
    InputSpec,
    ReporterSpec,
    Spec,
    StrategySpec,
    WeightsSpec,
)
from headstart.suggest import suggestion

NONE = "none"
"""`--weights none`: random weights. `--augment none`: training samples do not vary."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """What a recipe starts from, and what reads for it; None where that is not known yet or was found wrong."""

    backbone: BackboneSpec | None = None
    input: InputSpec | None = None
    weights: WeightsSpec | Path | None = None
    """None, too, for random ones."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a recipe names, as specs; None where a name was wrong, or stands for any (`engine`)."""

    dataset: ResolvedDataset | None
    network: Network
    strategy: StrategySpec | None
    augmentations: tuple[AugmentationSpec, ...]
    reporters: tuple[ReporterSpec, ...]
    engine: EngineSpec | None

    def tables(self) -> dict[str, Spec | None]:
        """The option tables of what is used, such as `augmentation.classic`: bare names where unique."""
        tables: dict[str, Spec | None] = {
            "dataset": self.dataset.spec if self.dataset else None,
            "backbone": self.network.backbone,
            "input": self.network.input,
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


def choose(recipe: Recipe, registry: Registry, problems: Problems) -> Choices:
    """Look up what `recipe` names, and check what must fit together. Raises PluginError.

    The network is looked up as far as it is known before the data is opened; see `choose_network`.
    """
    looked_up = _LookUp(recipe, registry, problems)
    dataset = looked_up.dataset()
    choices = Choices(
        dataset=dataset,
        network=Network(),
        strategy=problems.attempt("strategy", looked_up.strategy),
        augmentations=looked_up.augmentations(),
        reporters=looked_up.reporters(),
        engine=problems.attempt("engine", lambda: check_engine(recipe, registry)),
    )
    problems.attempt("training_precision", lambda: check_training_precision(recipe.training_precision))
    problems.attempt("batch_norm", lambda: check_batch_norm(recipe.batch_norm))
    return choose_network(choices, recipe, registry, problems, medium=dataset.spec.medium if dataset else None)


def choose_network(
    choices: Choices, recipe: Recipe, registry: Registry, problems: Problems, *, medium: str | None
) -> Choices:
    """`choices` with the backbone, its weights and the input kind, and what must fit them checked.

    Where the recipe names no backbone, that for data of `medium`; without a medium, none yet.
    """
    looked_up = _LookUp(recipe, registry, problems)
    backbone = choices.network.backbone or looked_up.backbone(medium)
    if backbone is None:
        return choices
    named = recipe.table("input").get(KIND)
    kind = None
    if medium is not None or named is not None:
        key = f"input.{KIND}" if named is not None else "data" if recipe.backbone is None else "backbone"
        kind = problems.attempt(
            key,
            lambda: registry.input_kind(
                medium=medium, takes=backbone.takes, name=None if named is None else str(named)
            ),
        )
    network = Network(backbone=backbone, input=kind, weights=looked_up.weights(backbone))
    problems.attempt("backend", lambda: check_backbone(backbone, recipe.backend))
    problems.attempt("train", lambda: check_train(recipe.train, backbone, choices.strategy))
    if kind is not None:
        for spec in choices.augmentations:
            problems.attempt("augment", partial(check_augmentation, spec, kind))
    return replace(choices, network=network)


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

    def backbone(self, medium: str | None) -> BackboneSpec | None:
        name = self.recipe.backbone
        if name is not None:
            return self.problems.attempt("backbone", lambda: self.registry.resolve_backbone(name))
        if medium is None:
            return None
        return self.problems.attempt("backbone", lambda: self.registry.default_backbone(medium))

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
