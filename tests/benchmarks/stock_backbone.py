"""Write a backbone of headstart's as files that others start from: one stock Keras model, and our own weights file.

    KERAS_BACKEND=torch python tests/benchmarks/stock_backbone.py efficientnet_lite/lite0 FOLDER

The Keras file holds stock layers, so that it opens without headstart; `imports` names the modules of others, to be
loaded first. A backbone whose published weights are not on this machine gets random ones, calibrated so that its
features are alive. Prints what a control must know.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from headstart.engine.network.assemble import build_backbone
from headstart.engine.network.lsuv_init import calibration_batch, initialise
from headstart.engine.network.stages import assign_arrays, name_variables
from headstart.registry import Registry, load_registry
from headstart.specs import Backbone, BackboneSpec, Stage, TensorSpec
from headstart.transfer.ranking.candidates import is_here
from headstart.weights.files import write_safetensors
from headstart.weights.source import load_arrays


def main() -> None:
    """Write `FOLDER/backbone.keras` and `FOLDER/backbone.safetensors`."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    registry = load_registry()
    spec: BackboneSpec = registry.get("backbones", name)
    stages, preprocess, real = load_stages(spec, spec.default_options(), registry)
    folder.mkdir(parents=True, exist_ok=True)
    model = as_keras(stages)
    model.save(folder / "backbone.keras")
    homes = {type(layer).__module__ for layer in model._flatten_layers()}
    arrays = {name: keras.ops.convert_to_numpy(value) for name, value in name_variables(stages).items()}
    write_safetensors(folder / "backbone.safetensors", arrays)
    scale, offset = preprocess["scale"][0], preprocess["offset"][0]
    facts = {"size": preprocess["size"][0], "interpolation": preprocess["interpolation"]}
    facts["imports"] = sorted(home for home in homes if home.partition(".")[0] != "keras")
    print(json.dumps({"real_weights": real, "scale": scale, "offset": offset, **facts}))


def load_stages(
    spec: BackboneSpec, options: Any, registry: Registry
) -> tuple[tuple[Stage, ...], Mapping[str, Any], bool]:
    """The stages with their weights, the preprocessing of these, and whether they are published ones."""
    weights = next((each for each in spec.weights if is_here(spec, each)), None)
    preprocess = weights.preprocess if weights else spec.preprocess
    shapes = {"image": (*preprocess["size"], 3)}
    inputs = {name: TensorSpec(shape, "float32") for name, shape in shapes.items()}
    stages = build_backbone(spec, registry, options=options, inputs=inputs)
    if weights is None:
        initialise(stages, calibration_batch(shapes))
    else:
        arrays = load_arrays(weights, spec, backbone=Backbone(stages), registry=registry)
        assign_arrays(stages, arrays, source=weights.name)
    return stages, preprocess, weights is not None


def as_keras(stages: Sequence[Stage]) -> keras.Model:
    """Preprocessed pictures (batch, size, size, 3) float32 to the pooled features (batch, channels), which the last
    stages of a detector come after."""
    image = keras.Input(stages[0].model.input["image"].shape[1:])
    tensors: Mapping[str, Any] = {"image": image}
    last = max(place for place, stage in enumerate(stages) if "pooled" in stage.model.output)
    for stage in stages[: last + 1]:
        for layer in stage.model._flatten_layers(include_self=False):
            _forget_initialisers(layer)
        tensors = stage.model({name: tensors[name] for name in stage.model.input})
    return keras.Model(image, tensors["pooled"])


def _forget_initialisers(layer: keras.Layer) -> None:
    """The weights are there; a plugin's own initialiser would only keep the file from opening without it."""
    for name in ("kernel_initializer", "depthwise_initializer"):
        if hasattr(layer, name):
            setattr(layer, name, keras.initializers.Zeros())


if __name__ == "__main__":
    main()
