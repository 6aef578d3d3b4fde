"""Which task a run has, where the user leaves that to the data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from headstart.data.targets import tell_form
from headstart.specs import PRETRAINED

if TYPE_CHECKING:
    from headstart.recipes.resolve import ResolvedRecipe
    from headstart.registry import Registry
    from headstart.specs import Records


def settle_task(resolved: ResolvedRecipe, registry: Registry, records: Records) -> ResolvedRecipe:
    """`resolved` with the task that the form of the records' targets asks for; as it is where the user named one, or
    a head that comes with the weights.

    The reason is the task's origin in the recipe, and a warning where the targets could be meant otherwise. Raises
    RecipeError where other settings do not suit that task.
    """
    from headstart.recipes.resolve import resolve_recipe

    if resolved.stated.task is not None or resolved.head == PRETRAINED:
        return resolved
    told = tell_form(records)
    if registry.default_task(told.form) != resolved.task:
        resolved = resolve_recipe(resolved.stated, registry, told.form)
    said = f"the task is {resolved.task.short_name}, since {told.reason}; --task NAME chooses another one"
    origins = {**resolved.recipe.origins, "task": f"the data: {told.reason}"}
    return dataclasses.replace(
        resolved,
        recipe=dataclasses.replace(resolved.recipe, origins=origins),
        warnings=(*resolved.warnings, said) if told.could_differ else resolved.warnings,
    )
