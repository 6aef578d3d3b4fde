"""Where a value stands in a recipe: settings in [fit], options in a table for what they belong to."""

from __future__ import annotations

from collections.abc import Mapping

FIT = "fit"
"""The table of the settings."""
OPTION_TABLES: Mapping[str, str] = {
    "dataset": "datasets",
    "backbone": "backbones",
    "input": "inputs",
    "task": "tasks",
    "strategy": "strategies",
    "augmentation": "augmentations",
    "reporter": "reporters",
}
"""Tables of options, and the kind of offer that each is for."""
NAMED_TABLES = ("augmentation", "reporter")
"""Those of which there is one for each name that is used, such as [augmentation.classic]."""
KIND = "kind"
"""The one key of [input] that is no option: it names the input kind, where several could read the data."""


def split_key(key: str) -> tuple[str, str]:
    """Table and name of a key: `epochs` is in `fit`, `input.size` is in `input`."""
    table, dot, name = key.rpartition(".")
    return (table, name) if dot else (FIT, name)
