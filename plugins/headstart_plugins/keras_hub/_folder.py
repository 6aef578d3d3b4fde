"""A preset's folder: its architecture, its weights file and its preprocessing, from JSON alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.documents import read_object
from headstart.errors import UsageError
from headstart_plugins.keras_hub._families import HUGGING_FACE, POOLING, family_of
from headstart_plugins.keras_hub._pixels import of_hugging_face, of_keras, of_timm
from headstart_plugins.keras_hub._plain import require_plain

CONFIG = "config.json"
LARGEST = 1 << 20
"""Bytes of JSON that are read; the largest configurations have a few thousand."""
DROPPED = ("name", "trainable", "dtype", "data_format", "image_shape", "input_shape")
"""Settings that are ours to make: float32, channels last, the input's size, and names by position."""


@dataclass(frozen=True)
class Folder:
    """`config`: what `_build` takes, as JSON; `weights`: the file below the folder; `what`: in words.

    `family` says whose rates suit it.
    """

    config: str
    weights: str
    preprocess: Mapping[str, Any]
    what: str
    family: str

    @property
    def size(self) -> int:
        """Pixels a side."""
        return int(self.preprocess["size"][0])


def read_folder(folder: Path, *, insisted: bool) -> Folder | None:
    """What a folder holds; None where it is no preset and that was not `insisted` on. Raises UsageError."""
    if insisted and not (folder / CONFIG).is_file():
        raise UsageError(f"{folder} has no {CONFIG}", hint="name the folder of a KerasHub, Hugging Face or timm model")
    document = read_object(folder / CONFIG, LARGEST, UsageError)
    for reads, key in ((_keras, "registered_name"), (_hugging_face, "model_type"), (_timm, "architecture")):
        if isinstance(document.get(key), str):
            return reads(folder, document)
    if insisted:
        raise UsageError(f"{folder / CONFIG} is not the description of a KerasHub, Hugging Face or timm model")
    return None


def _keras(folder: Path, document: Mapping[str, Any]) -> Folder:
    """A preset as KerasHub saves it: only the class name and its settings are kept, no module is named."""
    name, settings = document.get("class_name"), document.get("config")
    if name not in POOLING or not isinstance(settings, dict):
        raise UsageError(f"{folder} holds a {name}; expected one of {', '.join(POOLING)}")
    kept = {key: value for key, value in settings.items() if key not in DROPPED}
    try:
        require_plain(kept)
    except UsageError as exc:
        raise UsageError(f"{folder / CONFIG}: {exc.message}", hint=exc.hint) from exc
    converter = _beside(folder, "image_converter.json", "save its ImageConverter with save_to_preset, too")
    weights = _weights_file(folder, "model.weights.h5", "model.weights.json")
    config = _text({"class_name": name, "config": kept})
    return Folder(config, weights, of_keras(converter, folder), f"KerasHub {name}", family_of(str(name)))


def _hugging_face(folder: Path, document: Mapping[str, Any]) -> Folder:
    kind = document["model_type"]
    if kind not in HUGGING_FACE:
        known = ", ".join(HUGGING_FACE)
        raise UsageError(f"{folder} holds a Hugging Face model of type {kind!r}; image types that are read: {known}")
    reading = _beside(folder, "preprocessor_config.json", "copy it from the page of the model")
    weights = _weights_file(folder, "model.safetensors", "model.safetensors.index.json")
    return Folder(_text(document), weights, of_hugging_face(reading, folder), f"Hugging Face {kind}", "transformer")


def _timm(folder: Path, document: Mapping[str, Any]) -> Folder:
    weights = _weights_file(folder, "model.safetensors")
    return Folder(_text(document), weights, of_timm(document, folder), f"timm {document['architecture']}", "cnn")


def _beside(folder: Path, name: str, hint: str) -> dict[str, Any]:
    if not (folder / name).is_file():
        raise UsageError(f"{folder} has no {name}, so how its weights want pictures is not known", hint=hint)
    return read_object(folder / name, LARGEST, UsageError)


def _weights_file(folder: Path, *names: str) -> str:
    return next((name for name in names if (folder / name).is_file()), names[0])


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True)
