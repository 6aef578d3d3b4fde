"""From what a user wrote to a backbone: names of KerasHub's presets, and folders; reads JSON only."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart.backend import store_root
from headstart.errors import UsageError
from headstart.specs import BackboneSpec, FetchedFile, LocalFile, WeightsSpec
from headstart.suggest import suggestion
from headstart_plugins.keras_hub._families import CATALOGUED, NAME, REGISTERED
from headstart_plugins.keras_hub._folder import CONFIG, Folder, find_preset, read_folder
from headstart_plugins.keras_hub._needs import PREFIX, require_installed


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
            for name, entry in listed.items():
                if "kaggle_handle" in entry:
                    facts = entry.get("metadata", {})
                    count = facts.get("params") if isinstance(facts.get("params"), int) else None
                    yield name, Preset(str(facts.get("description", "")), count, entry["kaggle_handle"])


WEIGHTS = "preset"
"""The name of a preset's one weights set."""
UNSTATED = "not stated in the preset: see the page of its publisher"


def resolve(ref: str) -> BackboneSpec | None:
    """The backbone that `ref` means: `keras_hub/PRESET`, `keras_hub:FOLDER`, or a folder that says what it is.

    Raises UsageError for a preset that KerasHub does not have, and for a folder that cannot be used.
    """
    if ref.startswith(PREFIX) and not Path(ref).exists():
        return _published(ref.removeprefix(PREFIX))
    insisted = ref.startswith("keras_hub:")
    path = Path(ref.removeprefix("keras_hub:")).expanduser()
    if not insisted and not (path / CONFIG).is_file():
        return None
    folder = read_folder(path) if insisted else find_preset(path)
    if folder is None:
        return None
    name = re.sub(r"[^\w.-]+", "-", path.absolute().name).strip("-._") or "folder"
    return _spec(name, LocalFile(str(path.absolute() / folder.weights)), str(path), **_described(folder))


def _published(name: str) -> BackboneSpec:
    """A preset by name; one whose files are not here yet says enough to list and to fetch it."""
    known = presets()
    if name not in known:
        hint = f"{suggestion(name, known)}; or name the folder of a preset"
        raise UsageError(f"KerasHub has no image preset {name!r}", hint=hint)
    preset = known[name]
    place = store_root().joinpath("weights", "keras_hub", name, WEIGHTS)
    file = "model.weights.h5"
    described: dict[str, Any] = {"summary": preset.description or f"KerasHub's preset {name}."}
    if (place / CONFIG).is_file():
        folder = read_folder(place)
        file = folder.weights
        described = _described(folder)
    origin = FetchedFile("headstart_plugins.keras_hub._needs:fetch", preset.handle, file)
    return _spec(name, origin, preset.handle, parameters=preset.parameters, **described)


def _described(folder: Folder) -> dict[str, Any]:
    """What a preset's files say of its backbone."""
    return {
        "summary": f"{folder.what}, {folder.preprocess['size'][0]} px.",
        "preprocess": folder.preprocess,
        "licence": UNSTATED,
        "given": {"config": folder.config},
        "family": folder.family,
    }


def _spec(name: str, origin: LocalFile | FetchedFile, source: str, **described: Any) -> BackboneSpec:
    spec = replace(REGISTERED, name=PREFIX + name, builder=NAME, tiny={}, **described)
    weights = WeightsSpec(
        name=WEIGHTS,
        origin=origin,
        licence=UNSTATED,
        source=source,
        size=None,
        algorithm="unknown",
        digest="unknown",
        load="headstart_plugins.keras_hub._load:load",
        preprocess=spec.preprocess,
    )
    return replace(spec, weights=(weights,))
