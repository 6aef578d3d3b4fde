"""Write a backbone of headstart's as files that others start from: one stock Keras model, and our own weights file.

    KERAS_BACKEND=torch python tests/benchmarks/stock_backbone.py efficientnet_lite/lite0 FOLDER

The Keras file holds stock layers alone, so that it opens without headstart. A backbone whose published weights are
not on this machine gets random ones, calibrated so that its features are alive. Prints what a control must know.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from headstart.engine.calibrate import calibration_batch, initialise
from headstart.engine.graft import build_backbone
from headstart.engine.stages import assign_arrays, name_variables
from headstart.registry import Registry, load_registry
from headstart.specs import Backbone, BackboneSpec, PackageFile, Stage
from headstart.weights.files import write_safetensors
from headstart.weights.source import load_arrays


def main() -> None:
    """Write `FOLDER/backbone.keras` and `FOLDER/backbone.safetensors`."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    registry = load_registry()
    spec: BackboneSpec = registry.get("backbones", name)
    stages, real = build_stages(spec, registry)
    folder.mkdir(parents=True, exist_ok=True)
    as_keras(stages).save(folder / "backbone.keras")
    arrays = {name: keras.ops.convert_to_numpy(value) for name, value in name_variables(stages).items()}
    write_safetensors(folder / "backbone.safetensors", arrays)
    print(json.dumps({"real_weights": real, **_preprocessing(spec, real=real)}))


def build_stages(spec: BackboneSpec, registry: Registry, size: int | None = None) -> tuple[tuple[Stage, ...], bool]:
    """The stages with their weights, and whether these are published ones."""
    side = size or spec.preprocess["size"][0]
    shapes = {"image": (side, side, 3)}
    stages = build_backbone(spec, registry, options=spec.default_options(), inputs=shapes)
    weights = next((each for each in spec.weights if isinstance(each.origin, PackageFile)), None)
    if weights is None:
        initialise(stages, calibration_batch(shapes))
    else:
        arrays = load_arrays(weights, spec, backbone=Backbone(stages), registry=registry)
        assign_arrays(stages, arrays, source=weights.name)
    return stages, weights is not None


def as_keras(stages: Sequence[Stage]) -> keras.Model:
    """Preprocessed pictures (batch, size, size, 3) float32 to the pooled features (batch, channels)."""
    image = keras.Input(stages[0].model.input["image"].shape[1:])
    tensors: Mapping[str, Any] = {"image": image}
    for stage in stages:
        for layer in stage.model._flatten_layers(include_self=False):
            _forget_initialisers(layer)
        tensors = stage.model({name: tensors[name] for name in stage.model.input})
    return keras.Model(image, tensors["pooled"])


def _forget_initialisers(layer: keras.Layer) -> None:
    """The weights are there; a plugin's own initialiser would only keep the file from opening without it."""
    for name in ("kernel_initializer", "depthwise_initializer"):
        if hasattr(layer, name):
            setattr(layer, name, keras.initializers.Zeros())


def _preprocessing(spec: BackboneSpec, *, real: bool) -> Mapping[str, Any]:
    values = spec.weights[0].preprocess if real else spec.preprocess
    scale, offset = values["scale"][0], values["offset"][0]
    return {"size": values["size"][0], "scale": scale, "offset": offset, "interpolation": values["interpolation"]}


if __name__ == "__main__":
    main()
