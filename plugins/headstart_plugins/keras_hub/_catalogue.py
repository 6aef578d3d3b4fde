"""The presets that the installed KerasHub lists, read from its source without importing it: that would load Keras."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart_plugins.keras_hub._families import CATALOGUED
from headstart_plugins.keras_hub._needs import require_installed


@dataclass(frozen=True)
class Preset:
    """What KerasHub says of one preset: a sentence, the count of its parameters, and where its files are."""

    description: str
    parameters: int | None
    handle: str


def presets() -> Mapping[str, Preset]:
    """Every preset of an image backbone by name. Raises UsageError where KerasHub is not installed."""
    require_installed()
    found = importlib.util.find_spec("keras_hub")
    places = found.submodule_search_locations if found else None
    root = Path(next(iter(places or ()))) / "src" / "models"
    files = (file for family in CATALOGUED for file in sorted((root / family).glob("*_presets.py")))
    return {name: preset for file in files for name, preset in _presets_in(file)}


def _presets_in(file: Path) -> Iterator[tuple[str, Preset]]:
    """The entries of the dicts that a preset list assigns; what is no plain value is passed over."""
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            try:
                listed = ast.literal_eval(statement.value)
            except ValueError:
                continue
            yield from ((name, _preset(entry)) for name, entry in listed.items() if "kaggle_handle" in entry)


def _preset(entry: Mapping[str, Any]) -> Preset:
    facts = entry.get("metadata", {})
    count = facts.get("params")
    return Preset(str(facts.get("description", "")), count if isinstance(count, int) else None, entry["kaggle_handle"])
