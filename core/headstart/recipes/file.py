"""Recipes as TOML: settings in [fit], options in [split], [dataset], [backbone], [input], [task], [strategy],
[augmentation.NAME] and [reporter.NAME]. Read, written, and the one to start from.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import Item

from headstart.atomic import write_file
from headstart.documents import as_bytes, as_text
from headstart.errors import PluginError, Problem, RecipeError, UsageError
from headstart.host.registry import Registry
from headstart.manifest import RUN, how_to_read
from headstart.options import OptionInfo, describe_options
from headstart.recipe import FIT, NAMED_TABLES, OPTION_TABLES, OWN_TABLES, SETTINGS, TABLES, Recipe
from headstart.suggest import suggestion

SCHEMA = "schema"
INTRODUCTION = """\
# A recipe: everything that a run needs, in one file.
#     headstart fit --recipe THIS_FILE
# Flags win over --set key=value, which wins over this file, which wins over the defaults shown here.
# Remove the # before a line to change its value.
"""


def read_recipe(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """The tables by name (`fit`, `strategy`, `augmentation.classic`), values as written.

    Raises UsageError for a file that cannot be read, RecipeError for tables that no recipe has.
    """
    document = _parse(path)
    if (form := document.pop(SCHEMA, RUN)) != RUN:
        raise PluginError(f"{path} has schema {form!r}; this version reads {RUN!r}", hint=how_to_read(form))
    tables: dict[str, Mapping[str, Any]] = {}
    problems = []
    for key, value in document.items():
        where = f"{key} (file {path.name})"
        if key in SETTINGS and key not in TABLES:
            problems.append(Problem(where, "stands outside a table", f"move it below a line [{FIT}]"))
        elif key not in (FIT, *TABLES):
            what = "no such table" if isinstance(value, dict) else "no such setting"
            problems.append(Problem(where, what, suggestion(key, (FIT, *TABLES, *SETTINGS))))
        elif not isinstance(value, dict):
            problems.append(Problem(where, "expected a table", f"write [{key}] on a line of its own"))
        elif key not in NAMED_TABLES:
            tables[key] = value
        else:
            for name, chosen in value.items():
                tables[f"{key}.{name}"] = chosen
                if not isinstance(chosen, dict):
                    hint = f"write [{key}.NAME] and the option below it"
                    problems.append(Problem(f"{key}.{name} (file {path.name})", "expected a table", hint))
    if problems:
        raise RecipeError(problems)
    return tables


def verify_form(path: Path) -> None:
    """Raise PluginError where the recipe that a run wrote, and so the run, is of another form."""
    if SCHEMA not in _parse(path):
        raise PluginError(
            f"{path.parent} is a run of an earlier form; this version reads {RUN!r}", hint=how_to_read("run/1")
        )


def _parse(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
        document = tomllib.loads(as_text(content).removeprefix("\ufeff"))
        if SCHEMA not in document:  # not ours, which may hold the name of a folder that is no UTF-8
            content.decode("utf-8")
        return document
    except FileNotFoundError as exc:
        raise UsageError(f"no such recipe: {path}", hint="headstart init writes one to start from") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"cannot read the recipe {path}: {exc}") from exc
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"the recipe {path} is not TOML: {exc}") from exc


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write every value of `recipe`, its origin beside it, in one step: a run goes on by it after a loss of power too.
    A setting that is None is left out: TOML has no null.

    Raises HeadstartError naming the path and the reason where that fails.
    """
    write_file(path, as_bytes(render_recipe(recipe)))


def render_recipe(recipe: Recipe) -> str:
    """`recipe` as TOML text; reading it gives the same settings and options."""
    settings = {name: value for name in SETTINGS if (value := getattr(recipe, name)) is not None}
    document = tomlkit.document()
    document.add(SCHEMA, tomlkit.item(RUN))
    for name, values in {FIT: settings, **recipe.options}.items():
        if not values:
            continue
        table = tomlkit.table()
        for key, value in values.items():
            table.add(key, toml_item(value).comment(recipe.origin(key if name == FIT else f"{name}.{key}")))
        outer, dot, inner = name.partition(".")
        if not dot:
            document.add(name, table)
            continue
        if outer not in document:  # [augmentation.classic] is the table `classic` in the table `augmentation`
            document.add(outer, tomlkit.table(is_super_table=True))
        document[outer].add(inner, table)  # type: ignore[union-attr]
    return tomlkit.dumps(document)


def starter_recipe(registry: Registry) -> str:
    """A commented recipe with every setting and every option of what is installed; it runs as it is."""
    return "\n".join([INTRODUCTION, *_settings(registry), *_tables(registry)]) + "\n"


def _settings(registry: Registry) -> Iterator[str]:
    yield f"[{FIT}]"
    for name, setting in SETTINGS.items():
        yield f"# {setting.help}"
        if name == "data" and (
            data := next((each.name for each in registry.specs("datasets") if not (each.takes_path or each.make)), None)
        ):
            yield _line(name, data)
        else:
            yield "# " + _line(name, setting.example if setting.default is None else setting.default)
        yield ""


def _tables(registry: Registry) -> Iterator[str]:
    for table, declared in OWN_TABLES.items():
        yield f"[{table}]"
        yield from _options(describe_options(declared))
        yield ""
    for table, kind in OPTION_TABLES.items():
        described = [(spec, options) for spec in registry.specs(kind) if (options := describe_options(spec.options))]
        for place, (spec, options) in enumerate(described):
            if table in NAMED_TABLES:
                yield f"[{table}.{tomlkit.key(spec.short_name).as_string()}]"
            elif place == 0:
                yield f"[{table}]"
            yield f"# of {spec.name}: {spec.summary}"
            yield from _options(options)
            yield ""


def _options(options: Iterable[OptionInfo]) -> Iterator[str]:
    for option in options:
        yield f"# {' '.join(option.help.split())}"
        yield "# " + _line(option.name, option.default)


def _line(name: str, value: Any) -> str:
    return f"{name} = {toml_item(value).as_string()}"


def toml_item(value: Any) -> Item:
    """A value as TOML has it: a tuple is a list, and none a word."""
    return tomlkit.item("none" if value is None else list(value) if isinstance(value, tuple) else value)
