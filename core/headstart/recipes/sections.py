"""Where a value stands in a recipe: settings in [fit], options in a table for what they belong to."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.errors import Problem
from headstart.suggest import suggestion

FIT = "fit"
"""The table of the settings."""
SINGLE_TABLES = ("dataset", "backbone", "input", "task", "strategy")
"""Tables of options, one each."""
NAMED_TABLES = ("augmentation", "reporter")
"""Tables of which there is one for each name that is used, such as [augmentation.classic]."""
KIND = "kind"
"""The one key of [input] that is no option: it names the input kind, where several could read the data."""
OPTION_TABLES = (*SINGLE_TABLES, *NAMED_TABLES)


def split_key(key: str) -> tuple[str, str]:
    """Table and name of a key: `epochs` is in `fit`, `input.size` is in `input`."""
    table, dot, name = key.rpartition(".")
    return (table, name) if dot else (FIT, name)


def unknown_key(key: str, origin: str, settings: Iterable[str]) -> Problem:
    """The problem of a key that no recipe has; `settings` are the names known in [fit]."""
    table, name = split_key(key)
    if table == FIT:
        return Problem(f"{name} ({origin})", "no such setting", suggestion(name, settings))
    return Problem(f"{key} ({origin})", f"no such table: {table}", suggestion(table, (FIT, *OPTION_TABLES)))
