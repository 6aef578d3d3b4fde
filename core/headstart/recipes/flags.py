"""Flags that an input kind declares as aliases of its options: `--image-size` is `input.size` of the image kind."""

from __future__ import annotations

from dataclasses import replace

from headstart.recipe import SETTINGS, Recipe
from headstart.recipes.problems import Problems
from headstart.registry import Registry
from headstart.specs import InputSpec
from headstart.suggest import suggestion


def look_up_flags(recipe: Recipe, kind: InputSpec | None, registry: Registry, problems: Problems) -> Recipe:
    """`recipe` with each of its `flags` as the option of `kind` that it stands for.

    Without a kind they stay, and those that no installed kind declares are found wrong already.
    """
    offered: tuple[InputSpec, ...] = registry.specs("inputs")
    options = dict(recipe.table("input"))
    origins = dict(recipe.origins)
    for name, value in recipe.flags.items():
        flag = name.replace("_", "-")
        takers = [spec.name for spec in offered if flag in spec.flags]
        if not takers:
            known = (*SETTINGS, *(each.replace("-", "_") for spec in offered for each in spec.flags))
            problems.report(name, "no such setting", suggestion(name, known))
        elif kind is not None and flag not in kind.flags:
            problems.report(name, f"{kind.name} has no --{flag}; that is for {', '.join(takers)}", "leave it out")
        elif kind is not None:
            option = kind.flags[flag]
            key = f"input.{option}"
            if origins.get(key) == "--set" and str(options[option]) != str(value):
                problems.report(key, f"flag --{flag} says {value}, --set says {options[option]}", "give it once")
            options[option], origins[key] = value, origins.pop(name)
    if kind is None or not recipe.flags:
        return recipe
    return replace(recipe, options={**recipe.options, "input": options}, origins=origins, flags={})
