"""The option tables of a recipe: parse those of what is used, refuse all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headstart.errors import Problem
from headstart.options import parse_options
from headstart.recipe import Recipe
from headstart.recipes.problems import Problems
from headstart.recipes.sections import KIND, NAMED_TABLES
from headstart.specs import BackboneSpec, InputSpec, Spec


def parse_tables(recipe: Recipe, used: Mapping[str, Spec], problems: Problems) -> dict[str, Any]:
    """An instance of the options of everything that is used, by table; what is wrong goes to `problems`.

    None stands for what was found wrong.
    """
    options: dict[str, Any] = {}
    for table, spec in used.items():
        values = {key: value for name in spellings(table, spec) for key, value in recipe.table(name).items()}
        if isinstance(spec, InputSpec):
            values.pop(KIND, None)  # chooses the input kind itself
        given = spec.given if isinstance(spec, BackboneSpec) else {}
        options[table], wrong = parse_options(spec.options, {**given, **values}, table, spec.name)
        problems.extend(wrong)
        for name, fixed in given.items():  # what the reference fixes can be repeated, as a run's recipe does
            if values.get(name, fixed) != fixed:
                message = f"differs from what {spec.name} fixes"
                problems.report(f"{table}.{name}", message, "leave it out; it is read from the backbone's reference")
    return options


def spellings(table: str, spec: Spec) -> tuple[str, ...]:
    """The names under which a user can write a table: `augmentation.` and the bare or the full name."""
    group, dot, _ = table.partition(".")
    return (f"{group}.{spec.short_name}", f"{group}.{spec.name}") if dot else (table,)


def unused_tables(recipe: Recipe, used: Mapping[str, Spec]) -> Iterator[Problem]:
    """A problem for each table of options whose augmentation or reporter is not among the `used`."""
    known = {name for table, spec in used.items() for name in spellings(table, spec)}
    for table, values in recipe.options.items():
        group, dot, name = table.partition(".")
        if table in NAMED_TABLES:
            for key in values:
                yield Problem(f"{table}.{key}", f"does not say which {table} it is for", f"write {table}.NAME.{key}")
        if (
            not dot
            or not values
            or table in known
            or name in (recipe.augment if group == "augmentation" else recipe.reporters or ())
        ):
            continue  # a name that the recipe asks for was already found wrong, and needs no second complaint
        flag = "--augment" if group == "augmentation" else "--reporter"
        message = f"options for the {group} {name!r}, which this recipe does not use"
        yield Problem(table, message, f"add {flag} {name}, or leave the options out")
