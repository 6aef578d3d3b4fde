"""Write out a recipe that was resolved: full names, absolute paths, and every option with its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.host.offers import looks_like_path
from headstart.options import describe_options
from headstart.recipe import Recipe
from headstart.recipes.lookup import NONE, Choices
from headstart.recipes.option_tables import spellings
from headstart.recipes.sections import KIND, NAMED_TABLES, OPTION_TABLES
from headstart.specs import AUTO, BackboneSpec, DatasetSpec, Spec, WeightsSpec


def write_out(recipe: Recipe, choices: Choices, options: Mapping[str, Any]) -> Recipe:
    """`recipe` with everything that was chosen for it so far; resolving that gives the same again."""
    tables = {table: _plain(instance) for table, instance in options.items()}
    if choices.input is not None:
        tables["input"] = {KIND: choices.input.name, **tables.get("input", {})}
    unknown_yet = [table for table in OPTION_TABLES if table not in (*tables, *NAMED_TABLES)]
    tables |= {table: dict(recipe.table(table)) for table in unknown_yet}
    return replace(
        recipe,
        data=_data(choices.dataset, choices.reference),
        backbone=_backbone(recipe.backbone, choices.backbone),
        weights=_weights(choices.weights) if choices.backbone else recipe.weights,
        strategy=choices.strategy.name if choices.strategy else recipe.strategy,
        engine=choices.engine.name if choices.engine else AUTO,
        augment=tuple(spec.name for spec in choices.augmentations) or (NONE,),
        reporters=tuple(spec.name for spec in choices.reporters),
        options={table: values for table, values in tables.items() if values},
        origins=_origins(recipe, choices.tables()),
        problems=(),
    )


def _data(spec: DatasetSpec | None, reference: str | None) -> str | None:
    if spec is None or reference is None:
        return None if spec is None else spec.name
    return f"{spec.name}:{absolute(reference) if looks_like_path(reference) else reference}"


def _backbone(written: str | None, spec: BackboneSpec | None) -> str | None:
    """A registered backbone's full name; a path or KIND:REF stays: only that opens it again."""
    if spec is None or written is None or written in (spec.name, spec.short_name):
        return None if spec is None else spec.name
    return absolute(written) if looks_like_path(written) else written


def _weights(weights: WeightsSpec | Path | None) -> str:
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
