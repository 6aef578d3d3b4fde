"""Look up everything that a recipe names, and write it out again: full names, absolute paths, every option's value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from headstart.engine.network.saved import SavedNetwork
from headstart.host.registry import looks_like_path
from headstart.options import describe_options
from headstart.recipe import KIND, NAMED_TABLES, NONE, OPTION_TABLES, Recipe
from headstart.recipes.compatibility import (
    check_augmentation,
    check_backbone,
    check_engine,
    check_train,
)
from headstart.recipes.option_tables import spellings
from headstart.recipes.problems import Problems
from headstart.registry import Registry
from headstart.runs.folder import trained_by
from headstart.specs import (
    AUTO,
    AugmentationSpec,
    BackboneSpec,
    DatasetSpec,
    EngineSpec,
    InputSpec,
    ReporterSpec,
    Spec,
    StrategySpec,
    WeightsSpec,
)
from headstart.suggest import suggestion


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a recipe names, as specs; None where that is not known yet, or was found wrong.

    `reference` is the path that the dataset opens, or None. `weights` is a published set, a file, or None for random
    ones too; `head_source` is the run whose head is taken over; `engine` is None for the best there is. `augmentations`
    is empty for `--augment none`.
    """

    dataset: DatasetSpec | None
    reference: str | None
    backbone: BackboneSpec | None = None
    input: InputSpec | None = None
    weights: WeightsSpec | Path | None = None
    strategy: StrategySpec | None
    augmentations: tuple[AugmentationSpec, ...]
    reporters: tuple[ReporterSpec, ...]
    engine: EngineSpec | None
    head_source: SavedNetwork | None = None

    def tables(self) -> dict[str, Spec]:
        """The option tables of what is used, such as `augmentation.classic`: bare names where unique."""
        single = {"dataset": self.dataset, "backbone": self.backbone, "input": self.input, "strategy": self.strategy}
        tables: dict[str, Spec] = {table: spec for table, spec in single.items() if spec is not None}
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


C = TypeVar("C", bound=Choices)


def choose(recipe: Recipe, registry: Registry, problems: Problems, *, learns: str | None = None) -> Choices:
    """Look up what `recipe` names, and check what must fit together; what is wrong goes to `problems`. Raises
    PluginError.

    The network is looked up as far as it is known before the data is opened; see `choose_network`. Data that can be
    opened for several kinds of targets is opened for the task that the recipe names, or else for the one that `learns`.
    """
    dataset = None
    if recipe.data is not None:
        targets = registry.targets_of(recipe.task or learns)
        dataset = problems.attempt("data", registry.resolve_dataset, recipe.data, targets)
    elif not problems.about("data"):
        problems.report("data", "nothing to learn from", "name a dataset or a path, as in `headstart fit digits`")
    if recipe.strategy is None:
        strategy = problems.attempt("strategy", registry.default_strategy)
    else:
        strategy = problems.attempt("strategy", registry.get, "strategies", recipe.strategy)
    augmentations: tuple[AugmentationSpec, ...] = ()
    if not any(name.rpartition("/")[2] == NONE for name in recipe.augment):
        named = [name for name in recipe.augment if name != AUTO]  # which the input kind tells
        augmentations = _several("augment", "augmentations", named, registry, problems)
    elif len(recipe.augment) > 1:
        message = f"{', '.join(recipe.augment)} contradict each other"
        problems.report("augment", message, "leave out none, or the others")
    if recipe.reporters is None:
        reporters = tuple(spec for spec in registry.specs("reporters") if spec.default)
    else:
        reporters = _several("reporters", "reporters", recipe.reporters, registry, problems)
    engine = problems.attempt("engine", check_engine, recipe, registry)
    choices = Choices(
        dataset=dataset.spec if dataset else None,
        reference=dataset.reference if dataset else None,
        strategy=strategy,
        augmentations=augmentations,
        reporters=reporters,
        engine=engine,
    )
    return choose_network(choices, recipe, registry, problems, medium=dataset.spec.medium if dataset else None)


def choose_network(choices: C, recipe: Recipe, registry: Registry, problems: Problems, *, medium: str | None) -> C:
    """`choices` with the backbone, its weights and the input kind, and what must fit them checked.

    Where the recipe names no backbone, that for data of `medium`; without a medium, none yet. The same holds for what
    `--augment auto` means.
    """
    backbone = choices.backbone
    if backbone is None and recipe.backbone is not None:
        backbone = problems.attempt("backbone", registry.resolve_backbone, recipe.backbone)
    elif backbone is None and medium is not None:
        backbone = problems.attempt("backbone", registry.default_backbone, medium)
    if backbone is None:
        return choices
    named = recipe.table("input").get(KIND)
    kind = None
    if medium is not None or named is not None:
        key = f"input.{KIND}" if named is not None else "data" if recipe.backbone is None else "backbone"
        name = None if named is None else str(named)
        kind = problems.attempt(key, registry.input_for, backbone, medium=medium, name=name)
    weights = _weights(recipe.weights, backbone, problems)
    problems.attempt("backend", check_backbone, backbone, recipe.backend)
    problems.attempt("train", check_train, recipe.train, backbone, choices.strategy)
    augmentations = choices.augmentations
    if kind is not None and medium is not None and AUTO in recipe.augment:
        suited = problems.attempt("augment", registry.default_augmentation, medium, kind)
        if suited is not None and suited not in augmentations:
            augmentations = (suited, *augmentations)
    if kind is not None:
        for spec in augmentations:
            problems.attempt("augment", check_augmentation, spec, kind)
    return replace(choices, backbone=backbone, input=kind, weights=weights, augmentations=augmentations)


def awaits_augmentation(recipe: Recipe, choices: Choices) -> bool:
    """Whether what `--augment auto` means is known only once the data is opened."""
    return AUTO in recipe.augment and choices.input is None


def _several(key: str, kind: str, names: Iterable[str], registry: Registry, problems: Problems) -> tuple[Any, ...]:
    """The offers of a kind by their names, each once."""
    found: dict[str, Spec] = {}
    for name in names:
        spec: Spec | None = problems.attempt(key, registry.get, kind, name)
        if spec is not None and spec.name in found:
            problems.report(key, f"{spec.name} is named twice")
        elif spec is not None:
            found[spec.name] = spec
    return tuple(found.values())


def _weights(name: str | None, backbone: BackboneSpec, problems: Problems) -> WeightsSpec | Path | None:
    """The backbone's first published set where `name` is None."""
    if name is None:
        return backbone.weights[0] if backbone.weights else None
    published = {weights.name: weights for weights in backbone.weights}
    if name == NONE or name in published:
        return published.get(name)
    path = Path(name).expanduser()
    if run := trained_by(path):
        message = f"{name} is what a run learned, with its preprocessing and its head"
        problems.report("weights", message, f"leave out --weights, and start from the run: --backbone {run}")
        return None
    if path.is_file():
        return path
    named_file = looks_like_path(name) or bool(path.suffix)
    what = f"{backbone.name} has no such weights"
    if named_file:
        what = "a folder, not a weights file" if path.is_dir() else "no such file"
    hint = f"{suggestion(name, [*published, NONE])}; or the path of a weights file"
    problems.report("weights", f"{what}: {name}", hint)
    return None


def write_out(recipe: Recipe, choices: Choices, options: Mapping[str, Any]) -> Recipe:
    """`recipe` with everything that was chosen for it so far, `options` by table among it; resolving that gives the
    same again."""
    tables = {table: _plain(instance) for table, instance in options.items()}
    if choices.input is not None:
        tables["input"] = {KIND: choices.input.name, **tables.get("input", {})}
    unknown_yet = [table for table in OPTION_TABLES if table not in (*tables, *NAMED_TABLES)]
    tables |= {table: dict(recipe.table(table)) for table in unknown_yet}
    return replace(
        recipe,
        data=_data_name(choices.dataset, choices.reference),
        backbone=_backbone_name(recipe.backbone, choices.backbone),
        weights=_weights_name(choices.weights) if choices.backbone else recipe.weights,
        strategy=choices.strategy.name if choices.strategy else recipe.strategy,
        head_from=None if recipe.head_from is None else absolute(recipe.head_from),
        engine=choices.engine.name if choices.engine else AUTO,
        augment=tuple(spec.name for spec in choices.augmentations) or (NONE,),
        reporters=tuple(spec.name for spec in choices.reporters),
        options={table: values for table, values in tables.items() if values},
        origins=_origins(recipe, choices.tables()),
        problems=(),
    )


def _data_name(spec: DatasetSpec | None, reference: str | None) -> str | None:
    if spec is None or reference is None:
        return None if spec is None else spec.name
    is_path = looks_like_path(reference) and not spec.is_code(reference)
    return f"{spec.name}:{absolute(reference) if is_path else reference}"


def _backbone_name(written: str | None, spec: BackboneSpec | None) -> str | None:
    """A registered backbone's full name; a path or KIND:REF stays: only that opens it again."""
    if spec is not None and written is not None and looks_like_path(written):
        return absolute(written)  # a path that is no name, though what it opens may be called the same
    if spec is None or written is None or written in (spec.name, spec.short_name):
        return None if spec is None else spec.name
    return written


def _weights_name(weights: WeightsSpec | Path | None) -> str:
    if isinstance(weights, Path):
        return absolute(str(weights))
    return NONE if weights is None else weights.name


def absolute(path: str) -> str:
    """A path as it is written in recipes: absolute, `~` opened, links as they are."""
    return str(Path(path).expanduser().absolute())


def _plain(instance: Any) -> dict[str, Any]:
    """The options of an instance as plain values; None is left out, since it is what a missing key means."""
    return {
        option.name: getattr(instance, option.name)
        for option in describe_options(type(instance))
        if getattr(instance, option.name) is not None or option.default is not None
    }


def _origins(recipe: Recipe, used: Mapping[str, Spec]) -> Mapping[str, str]:
    """Origins under the names of tables that the explicit recipe uses."""
    origins = dict(recipe.origins)
    for table, spec in used.items():
        for spelling in spellings(table, spec):
            for key in [key for key in origins if key.startswith(f"{spelling}.")]:
                origins[f"{table}.{key.removeprefix(f'{spelling}.')}"] = origins.pop(key)
    return origins
