"""Which task a run has, where the user leaves that to the data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from headstart.data.targets import find_targets

if TYPE_CHECKING:
    from headstart.recipes.resolve import ResolvedRecipe
    from headstart.registry import Registry
    from headstart.specs import Records


def settle_task(resolved: ResolvedRecipe, registry: Registry, records: Records) -> ResolvedRecipe:
    """`resolved` with the task that the kind of the records' targets asks for; as it is where the user named one.

    The reason is the task's origin in the recipe, and a warning where the targets could be meant otherwise. Raises
    RecipeError where other settings do not suit that task, DataError where no offered kind recognises the targets.
    """
    from headstart.recipes.resolve import resolve_recipe

    if resolved.stated.task is not None:
        return resolved
    found = find_targets(records, registry)
    if registry.default_task(found.spec.name) != resolved.task:
        resolved = resolve_recipe(resolved.stated, registry, found.spec.name)
    said = f"the task is {resolved.task.short_name}, since {found.reason}; --task NAME chooses another one"
    origins = {**resolved.recipe.origins, "task": f"the data: {found.reason}"}
    return dataclasses.replace(
        resolved,
        recipe=dataclasses.replace(resolved.recipe, origins=origins),
        warnings=(*resolved.warnings, said) if found.could_differ else resolved.warnings,
    )
