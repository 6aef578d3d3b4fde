"""Builds networks of keras.applications, cut into stages. Each network's name here is its build target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import keras

from headstart.engine.network.cutting import between
from headstart.errors import UsageError
from headstart.specs import Backbone, BackboneBuild, BackboneRequest, Stage
from headstart_plugins.keras_applications._families import FAMILIES, Network
from headstart_plugins.keras_applications._graph import stable_names
from headstart_plugins.keras_applications._table import NETWORKS

BY_NAME: Mapping[str, Network] = {network.name: network for network in NETWORKS}


def __getattr__(name: str) -> BackboneBuild:
    """The build target of the network `name`: `_build:vgg16`."""
    if name not in BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(build, BY_NAME[name])


def build(network: Network, request: BackboneRequest) -> Backbone:
    """`network` with random weights, as stages that together equal the Keras model without top.

    The first stage reads "image" (batch, height, width, 3) float32, already preprocessed; the last one gives
    "map" (batch, height, width, channel) and "pooled" (batch, channel), float32. Between stages lies "x", and
    for NASNet also "x1", (batch, height, width, channel) float32.
    Raises UsageError for a backend, layout or size that the network does not take.
    """
    family = FAMILIES[network.family]
    shape = request.inputs["image"].shape
    backend, layout = keras.backend.backend(), keras.config.image_data_format()
    if backend in family.refuses:
        raise UsageError(f"{network.name} refuses the backend {backend}: {family.refuses[backend]}")
    if layout == "channels_first":
        unsupported = f"Keras' {family.title.partition(' ')[0]} does not support channels_first"
        reason = unsupported if family.channels_last_only else "tensors here are (batch, height, width, channel)"
        raise UsageError(
            f"{network.name} refuses the layout {layout}: {reason}",
            hint='call keras.config.set_image_data_format("channels_last") first',
        )
    if len(shape) != 3 or shape[2] != 3 or min(shape[:2]) < family.smallest:
        raise UsageError(
            f"{network.name} takes (height, width, 3) of at least {family.smallest} px, received {shape}",
            hint=f"its native size is {network.size}",
        )
    whole = whole_network(network, request.options, shape)
    layers = stable_names(whole.operations)
    inputs = {"image": layers[family.entry].input if family.entry else whole.input}
    stages = []
    for cut in network.cuts:
        if cut is network.cuts[-1]:
            outputs = {"map": layers[cut.layers[0]].output, "pooled": whole.output}
        else:
            outputs = {(f"x{i}" if i else "x"): layers[name].output for i, name in enumerate(cut.layers)}
        stages.append(Stage(cut.stage, between(inputs, outputs, cut.stage)))
        inputs = outputs
    return Backbone(tuple(stages))


def whole_network(network: Network, options: Any, shape: tuple[int, ...]) -> keras.Model:
    """The Keras model as keras.applications makes it: without top, average pooled, random weights."""
    family = FAMILIES[network.family]
    function = getattr(keras.applications, network.function)
    model: keras.Model = function(
        include_top=False,
        weights=None,
        pooling="avg",
        input_shape=shape,
        **family.arguments,
        **asdict(options),
    )
    return model
