"""A preset's folder: its architecture, its weights file and its preprocessing, from JSON alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.documents import read_object
from headstart.errors import UsageError
from headstart_plugins.keras_hub._families import HUGGING_FACE, POOLING, TRANSFORMERS

WHITE = 255
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
RESAMPLING = {0: "nearest", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, as Hugging Face writes them."""


def of_keras(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """From KerasHub's image_converter.json: its ImageConverter multiplies by `scale`, then adds `offset`."""
    config = document.get("config")
    if not isinstance(config, dict):
        raise _unreadable(folder, "image_converter.json has no config")
    size = config.get("image_size") or (config.get("height"), config.get("width"))
    scale, offset = config.get("scale"), config.get("offset")
    if "variance" in config and "mean" in config:  # the form before scale and offset took lists
        deviations = [value**0.5 for value in config["variance"]]
        factor = 1.0 if scale is None else scale
        scale = [factor / deviation for deviation in deviations]
        offset = [-mean / deviation for mean, deviation in zip(config["mean"], deviations, strict=True)]
    interpolation = config.get("interpolation", "bilinear")
    if interpolation not in INTERPOLATIONS:
        raise _unreadable(folder, f"interpolation {interpolation!r} is not one of {', '.join(INTERPOLATIONS)}")
    fit = "pad" if config.get("pad_to_aspect_ratio") else "crop" if config.get("crop_to_aspect_ratio") else "stretch"
    return {
        "size": _size(size, folder),
        "channels": "rgb",
        "scale": _three(scale, 1.0, folder),
        "offset": _three(offset, 0.0, folder),
        "resize": fit,
        "interpolation": interpolation,
        "background": 0 if fit == "pad" else WHITE,
        "range": [0, 255],
    }


def of_hugging_face(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """From preprocessor_config.json: rescale, then (x - image_mean) / image_std."""
    crops = bool(document.get("do_center_crop"))
    size = document.get("crop_size" if crops else "size")
    if isinstance(size, dict):
        side = size.get("shortest_edge")
        sides = (size.get("height", side), size.get("width", side))
    else:
        sides = (size, size)
    factor = document.get("rescale_factor", 1 / 255) if document.get("do_rescale", True) else 1.0
    normalised = document.get("do_normalize", True)
    means = _three(document.get("image_mean") if normalised else None, 0.0, folder)
    deviations = _three(document.get("image_std") if normalised else None, 1.0, folder)
    resample = RESAMPLING.get(document.get("resample", 2), "bilinear")
    return _normalised(_size(sides, folder), factor, means, deviations, resample, crops)


def _normalised(
    size: list[int], factor: float, means: list[float], deviations: list[float], interpolation: str, crops: bool
) -> dict[str, Any]:
    return {
        "size": size,
        "channels": "rgb",
        "scale": [factor / deviation for deviation in deviations],
        "offset": [-mean / deviation for mean, deviation in zip(means, deviations, strict=True)],
        "resize": "crop" if crops else "stretch",
        "interpolation": interpolation,
        "background": WHITE,
        "range": [0, 255],
    }


def _size(size: Any, folder: Path) -> list[int]:
    if isinstance(size, Sequence) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size):
        return list(size)
    raise _unreadable(folder, f"the size of its pictures is {size!r}; expected a height and a width")


def _three(value: Any, default: float, folder: Path) -> list[float]:
    if value is None:
        return [default] * 3
    values = [value] * 3 if isinstance(value, int | float) else value
    if isinstance(values, list) and len(values) in (1, 3) and all(isinstance(each, int | float) for each in values):
        return [float(each) for each in (values if len(values) == 3 else values * 3)]
    raise _unreadable(folder, f"{value!r} should be a number, or one a channel")


def _unreadable(folder: Path, what: str) -> UsageError:
    return UsageError(f"the preprocessing of {folder} cannot be used: {what}")


CONFIG = "config.json"
LARGEST = 1 << 20
"""Bytes of JSON that are read; the largest configurations have a few thousand."""
DROPPED = ("name", "trainable", "dtype", "data_format", "image_shape", "input_shape")
"""Settings that are ours to make: float32, channels last, the input's size, and names by position."""


def require_plain(settings: Mapping[str, Any], where: str = "") -> None:
    """Raise UsageError naming the settings that are, or hold, a serialized object, after `where` they stand.

    Settings are values alone: Keras makes objects of others, by importing what they name.
    """
    if nested := [key for key, value in settings.items() if _is_object(value)]:
        raise UsageError(
            f"{where}{', '.join(nested)} describes another object; such presets are not read",
            hint="choose a preset whose settings are numbers and text",
        )


def _is_object(value: Any) -> bool:
    if isinstance(value, dict):
        return bool({"class_name", "module", "registered_name"} & value.keys()) or any(map(_is_object, value.values()))
    return isinstance(value, list | tuple) and any(map(_is_object, value))


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


def read_folder(folder: Path) -> Folder:
    """What the folder of a preset holds. Raises UsageError where it is none, or cannot be used."""
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{folder} has no {CONFIG}", hint="name the folder of a KerasHub, Hugging Face or timm model")
    found = find_preset(folder)
    if found is None:
        raise UsageError(f"{folder / CONFIG} is not the description of a KerasHub, Hugging Face or timm model")
    return found


def find_preset(folder: Path) -> Folder | None:
    """What a folder with a config.json holds; None where that describes something else, such as a model that writes
    sequences. Raises UsageError."""
    document = read_object(folder / CONFIG, LARGEST, UsageError)
    if document.get("is_encoder_decoder"):
        return None
    for reads, key in ((_keras, "registered_name"), (_hugging_face, "model_type"), (_timm, "architecture")):
        if isinstance(document.get(key), str):
            return reads(folder, document)
    return None


def _keras(folder: Path, document: Mapping[str, Any]) -> Folder:
    """A preset as KerasHub saves it: only the class name and its settings are kept, no module is named."""
    name, settings = document.get("class_name"), document.get("config")
    if name not in POOLING or not isinstance(settings, dict):
        raise UsageError(f"{folder} holds a {name}; expected one of {', '.join(POOLING)}")
    kept = {key: value for key, value in settings.items() if key not in DROPPED}
    require_plain(kept, f"{folder / CONFIG}: ")
    converter = _beside(folder, "image_converter.json", "save its ImageConverter with save_to_preset, too")
    weights = _weights_file(folder, "model.weights.h5", "model.weights.json")
    config = _text({"class_name": name, "config": kept})
    family = "transformer" if name in TRANSFORMERS else "cnn"
    return Folder(config, weights, of_keras(converter, folder), f"KerasHub {name}", family)


def _hugging_face(folder: Path, document: Mapping[str, Any]) -> Folder:
    kind = document["model_type"]
    if kind not in HUGGING_FACE:
        known = ", ".join(HUGGING_FACE)
        raise UsageError(f"{folder} holds a Hugging Face model of type {kind!r}; image types that are read: {known}")
    reading = _beside(folder, "preprocessor_config.json", "copy it from the page of the model")
    weights = _weights_file(folder, "model.safetensors", "model.safetensors.index.json")
    return Folder(_text(document), weights, of_hugging_face(reading, folder), f"Hugging Face {kind}", "transformer")


def _timm(folder: Path, document: Mapping[str, Any]) -> Folder:
    """Its preprocessing is `pretrained_cfg` of config.json: x / 255, then (x - mean) / std."""
    config = document.get("pretrained_cfg")
    if not isinstance(config, dict) or "input_size" not in config:
        raise _unreadable(folder, "config.json has no pretrained_cfg with an input_size")
    means, deviations = _three(config.get("mean"), 0.0, folder), _three(config.get("std"), 1.0, folder)
    interpolation = config.get("interpolation", "bilinear")
    known = interpolation if interpolation in INTERPOLATIONS else "bilinear"
    pixels = _normalised(_size(config["input_size"][1:], folder), 1 / 255, means, deviations, known, True)
    weights = _weights_file(folder, "model.safetensors")
    return Folder(_text(document), weights, pixels, f"timm {document['architecture']}", "cnn")


def _beside(folder: Path, name: str, hint: str) -> dict[str, Any]:
    if not (folder / name).is_file():
        raise UsageError(f"{folder} has no {name}, so how its weights want pictures is not known", hint=hint)
    return read_object(folder / name, LARGEST, UsageError)


def _weights_file(folder: Path, *names: str) -> str:
    return next((name for name in names if (folder / name).is_file()), names[0])


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True)
