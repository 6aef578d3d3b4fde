"""The recipe that `headstart init` writes: every setting and option, its default and its sentence, as
comments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tomlkit

from headstart.options import describe_options
from headstart.recipe import SETTINGS
from headstart.recipes.sections import FIT, NAMED_TABLES, OPTION_TABLES
from headstart.registry import Registry

INTRODUCTION = """\
# A recipe: everything that a run needs, in one file.
#     headstart fit --recipe THIS_FILE
# Flags win over --set key=value, which wins over this file, which wins over the defaults shown here.
# Remove the # before a line to change its value.
"""


def starter_recipe(registry: Registry) -> str:
    """A commented recipe with every setting and every option of what is installed; it runs as it is."""
    return "\n".join([INTRODUCTION, *_settings(registry), *_tables(registry)]) + "\n"


def _settings(registry: Registry) -> Iterator[str]:
    yield f"[{FIT}]"
    for name, setting in SETTINGS.items():
        yield f"# {setting.help}"
        if name == "data" and (
            data := next((spec.name for spec in registry.specs("datasets") if not spec.takes_path), None)
        ):
            yield _line(name, data)
        else:
            yield "# " + _line(name, setting.example if setting.default is None else setting.default)
        yield ""


def _tables(registry: Registry) -> Iterator[str]:
    for table, kind in OPTION_TABLES.items():
        described = [(spec, options) for spec in registry.specs(kind) if (options := describe_options(spec.options))]
        for place, (spec, options) in enumerate(described):
            if table in NAMED_TABLES:
                yield f"[{table}.{tomlkit.key(spec.short_name).as_string()}]"
            elif place == 0:
                yield f"[{table}]"
            yield f"# of {spec.name}: {spec.summary}"
            for option in options:
                yield f"# {' '.join(option.help.split())}"
                yield "# " + _line(option.name, "none" if option.default is None else option.default)
            yield ""


def _line(name: str, value: Any) -> str:
    item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
    return f"{name} = {item.as_string()}"
