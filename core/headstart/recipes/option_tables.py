"""The option tables of a recipe: parse those of what is used, refuse all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headstart.errors import Problem
from headstart.options import parse_options
from headstart.recipe import Recipe
from headstart.recipes.choices import Choices
from headstart.recipes.problems import Problems
from headstart.specs import Spec


def parse_tables(recipe: Recipe, choices: Choices, problems: Problems) -> Mapping[str, Any]:
    """An instance of the options of everything that is used, by table; what is wrong goes to `problems`."""
    used = choices.tables()
    options: dict[str, Any] = {}
    for table, spec in used.items():
        if spec is not None:
            parsed, wrong = parse_options(spec.options, _values(recipe, table, spec), table)
            problems.extend(wrong)
            options[table] = parsed
    problems.extend(_unused(recipe, used))
    return options


def spellings(table: str, spec: Spec) -> tuple[str, ...]:
    """The names under which a user can write a table: `augmentation.` and the bare or the full name."""
    group, dot, _ = table.partition(".")
    return (f"{group}.{spec.short_name}", f"{group}.{spec.name}") if dot else (table,)


def _values(recipe: Recipe, table: str, spec: Spec) -> Mapping[str, Any]:
    return {key: value for name in spellings(table, spec) for key, value in recipe.table(name).items()}


def _unused(recipe: Recipe, used: Mapping[str, Spec | None]) -> Iterator[Problem]:
    known = {name for table, spec in used.items() if spec for name in spellings(table, spec)}
    for table, values in recipe.options.items():
        group, dot, name = table.partition(".")
        if not dot or not values or table in known or _is_asked(recipe, group, name):
            continue
        flag = "--augment" if group == "augmentation" else "--reporter"
        message = f"options for the {group} {name!r}, which this recipe does not use"
        yield Problem(table, message, f"add {flag} {name}, or leave the options out")


def _is_asked(recipe: Recipe, group: str, name: str) -> bool:
    """Whether the recipe names it: then its name was already found wrong, and needs no second complaint."""
    return name in (recipe.augment if group == "augmentation" else recipe.reporters or ())
