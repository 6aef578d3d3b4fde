"""The recipe that `headstart init` writes: every setting and option, its default and its sentence, as
comments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import tomlkit

from headstart.options import OptionInfo, describe_options
from headstart.recipe import SETTINGS, default_of, example_of, help_of
from headstart.recipes.sections import FIT
from headstart.registry import Registry
from headstart.specs import Spec

SINGLE = (
    ("dataset", "datasets"),
    ("backbone", "backbones"),
    ("input", "inputs"),
    ("task", "tasks"),
    ("strategy", "strategies"),
)
NAMED = (("augmentation", "augmentations"), ("reporter", "reporters"))

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
    for name in SETTINGS:
        yield f"# {help_of(name)}"
        if name == "data" and (
            data := next((spec.name for spec in registry.specs("datasets") if not spec.takes_path), None)
        ):
            yield _line(name, data)
        else:
            default = default_of(name)
            yield "# " + _line(name, example_of(name) if default is None else default)
        yield ""


def _tables(registry: Registry) -> Iterator[str]:
    for table, kind in SINGLE:
        described = [(spec, options) for spec in registry.specs(kind) if (options := describe_options(spec.options))]
        if described:
            yield f"[{table}]"
            for spec, options in described:
                yield f"# of {spec.name}: {spec.summary}"
                yield from _options(options)
    for group, kind in NAMED:
        for spec in registry.specs(kind):
            yield from _named_table(group, spec)


def _named_table(group: str, spec: Spec) -> Iterator[str]:
    options = describe_options(spec.options)
    if options:
        yield f"[{group}.{tomlkit.key(spec.short_name).as_string()}]"
        yield f"# of {spec.name}: {spec.summary}"
        yield from _options(options)


def _options(options: Sequence[OptionInfo]) -> Iterator[str]:
    for option in options:
        yield f"# {' '.join(option.help.split())}"
        yield "# " + _line(option.name, "none" if option.default is None else option.default)
    yield ""


def _line(name: str, value: Any) -> str:
    item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
    return f"{name} = {item.as_string()}"
