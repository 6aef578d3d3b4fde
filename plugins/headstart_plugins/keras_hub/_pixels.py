"""Preprocessing as the three kinds of folder state it, in the plain values of our image kind: x * scale + offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.errors import UsageError

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
    fit = "pad" if config.get("pad_to_aspect_ratio") else "crop" if config.get("crop_to_aspect_ratio") else "stretch"
    return {
        "size": _size(size, folder),
        "channels": "rgb",
        "scale": _three(scale, 1.0, folder),
        "offset": _three(offset, 0.0, folder),
        "resize": fit,
        "interpolation": _interpolation(config.get("interpolation", "bilinear"), folder),
        "background": 0 if fit == "pad" else WHITE,
        "range": [0, 255],
    }


def of_hugging_face(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """From preprocessor_config.json: rescale, then (x - image_mean) / image_std."""
    size = document.get("crop_size") if document.get("do_center_crop") else document.get("size")
    factor = document.get("rescale_factor", 1 / 255) if document.get("do_rescale", True) else 1.0
    normalised = document.get("do_normalize", True)
    means = _three(document.get("image_mean") if normalised else None, 0.0, folder)
    deviations = _three(document.get("image_std") if normalised else None, 1.0, folder)
    resample = RESAMPLING.get(document.get("resample", 2), "bilinear")
    crops = bool(document.get("do_center_crop"))
    return _normalised(_hugging_face_size(size, folder), factor, means, deviations, resample, crops)


def of_timm(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """From `pretrained_cfg` of config.json: x / 255, then (x - mean) / std."""
    config = document.get("pretrained_cfg")
    if not isinstance(config, dict) or "input_size" not in config:
        raise _unreadable(folder, "config.json has no pretrained_cfg with an input_size")
    means, deviations = _three(config.get("mean"), 0.0, folder), _three(config.get("std"), 1.0, folder)
    interpolation = config.get("interpolation", "bilinear")
    known = interpolation if interpolation in INTERPOLATIONS else "bilinear"
    return _normalised(_size(config["input_size"][1:], folder), 1 / 255, means, deviations, known, True)


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


def _hugging_face_size(size: Any, folder: Path) -> list[int]:
    if isinstance(size, dict):
        side = size.get("shortest_edge")
        return _size((size.get("height", side), size.get("width", side)), folder)
    return _size((size, size), folder)


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


def _interpolation(value: Any, folder: Path) -> str:
    if value in INTERPOLATIONS:
        return str(value)
    raise _unreadable(folder, f"interpolation {value!r} is not one of {', '.join(INTERPOLATIONS)}")


def _unreadable(folder: Path, what: str) -> UsageError:
    return UsageError(f"the preprocessing of {folder} cannot be used: {what}")
