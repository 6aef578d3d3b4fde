"""The option tables of a recipe: flags that stand for options, what is used parsed, all others refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from headstart.errors import Problem, UsageError
from headstart.options import parse_options
from headstart.recipe import KIND, NAMED_TABLES, OWN_TABLES, SETTINGS, Recipe
from headstart.recipes.problems import Problems
from headstart.registry import Registry
from headstart.specs import BackboneSpec, InputSpec, Spec
from headstart.suggest import suggestion


def look_up_flags(recipe: Recipe, kind: InputSpec | None, registry: Registry, problems: Problems) -> Recipe:
    """`recipe` with each of its `flags` as the option of `kind` that it stands for: `--image-size` is `input.size` of
    the image kind.

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


def flagged_options(kind: InputSpec, flags: Mapping[str, Any], inherited: Mapping[str, Any]) -> Any:
    """The options of an input kind, without a recipe, as its own `flags` say: by name with underscores, None where not
    given; then as they are `inherited`.

    Raises UsageError for a flag that it does not have, and for a value that does not fit.
    """
    named = {flag.replace("_", "-"): value for flag, value in flags.items() if value is not None}
    if unknown := [flag for flag in named if flag not in kind.flags]:
        offered = ", ".join(f"--{flag}" for flag in kind.flags) or "none"
        raise UsageError(f"{kind.name} has no --{unknown[0]}", hint=f"leave it out; it has {offered}")
    given = {kind.flags[flag]: value for flag, value in named.items()}
    options, problems = parse_options(kind.options, {**inherited, **given}, "input")
    flag_of = {f"input.{option}": f"--{flag}" for flag, option in kind.flags.items()}
    for wrong in problems:
        raise UsageError(f"{flag_of.get(wrong.where, wrong.where)} {wrong.message}", hint=wrong.hint)
    return options


def inherit_reading(recipe: Recipe, backbone: BackboneSpec | None, kind: InputSpec | None) -> Recipe:
    """`recipe` with how the backbone's own samples were read, where it says nothing else: those options of `kind`."""
    options = {} if backbone is None or kind is None else backbone.input_options(kind)
    inherited = {name: value for name, value in options.items() if name not in recipe.table("input")}
    if backbone is None or not inherited:
        return recipe
    origins = {**recipe.origins, **{f"input.{name}": f"from {backbone.name}" for name in inherited}}
    return replace(recipe, options={**recipe.options, "input": {**inherited, **recipe.table("input")}}, origins=origins)


def parse_tables(recipe: Recipe, used: Mapping[str, Spec], problems: Problems) -> dict[str, Any]:
    """An instance of the options of everything that is used, by table; what is wrong goes to `problems`.

    None stands for what was found wrong.
    """
    options: dict[str, Any] = {}
    for table, spec in used.items():
        values = {key: value for name in spellings(table, spec) for key, value in recipe.table(name).items()}
        if isinstance(spec, InputSpec):
            values.pop(KIND, None)  # chooses the input kind itself
        given, trained = (spec.given, spec.gradient_options) if isinstance(spec, BackboneSpec) else ({}, ())
        options[table], wrong = parse_options(spec.options, {**given, **values}, table, spec.name)
        problems.extend(wrong)
        fixed, _ = parse_options(spec.options, given, table, spec.name)
        for name in given if fixed and options[table] else ():
            # what the reference fixes can be repeated, as a run's recipe does; how it was trained it does not fix
            if name not in trained and getattr(options[table], name) != getattr(fixed, name):
                message = f"differs from what {spec.name} fixes"
                problems.report(f"{table}.{name}", message, "leave it out; it is read from the backbone's reference")
    return options


def parse_own_tables(recipe: Recipe, problems: Problems) -> dict[str, Any]:
    """As `parse_tables`, of the tables that are of no offer."""
    options: dict[str, Any] = {}
    for table, declared in OWN_TABLES.items():
        options[table], wrong = parse_options(declared, recipe.table(table), table)
        problems.extend(wrong)
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
