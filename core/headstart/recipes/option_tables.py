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


def parse_tables(recipe: Recipe, used: Mapping[str, Spec | None], problems: Problems) -> dict[str, Any]:
    """An instance of the options of everything that is used, by table; what is wrong goes to `problems`.

    None stands for what is not known yet, or was found wrong.
    """
    options: dict[str, Any] = {}
    for table, spec in used.items():
        if spec is not None:
            values = _values(recipe, table, spec)
            given = spec.given if isinstance(spec, BackboneSpec) else {}
            parsed, wrong = parse_options(spec.options, {**given, **values}, table, spec.name)
            problems.extend((*wrong, *_contradictions(spec, table, given, values)))
            options[table] = parsed
    return options


def _contradictions(spec: Spec, table: str, given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Problem]:
    """What the reference fixes can be repeated, as a run's recipe does, and not be changed."""
    for name, fixed in given.items():
        if values.get(name, fixed) != fixed:
            message = f"differs from what {spec.name} fixes"
            yield Problem(f"{table}.{name}", message, "leave it out; it is read from the backbone's reference")


def spellings(table: str, spec: Spec) -> tuple[str, ...]:
    """The names under which a user can write a table: `augmentation.` and the bare or the full name."""
    group, dot, _ = table.partition(".")
    return (f"{group}.{spec.short_name}", f"{group}.{spec.name}") if dot else (table,)


def _values(recipe: Recipe, table: str, spec: Spec) -> Mapping[str, Any]:
    values = {key: value for name in spellings(table, spec) for key, value in recipe.table(name).items()}
    if isinstance(spec, InputSpec):
        values.pop(KIND, None)  # chooses the input kind itself
    return values


def unused_tables(recipe: Recipe, used: Mapping[str, Spec | None]) -> Iterator[Problem]:
    """A problem for each table of options whose augmentation or reporter is not among the `used`."""
    known = {name for table, spec in used.items() if spec for name in spellings(table, spec)}
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
