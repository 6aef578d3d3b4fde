"""The first stages of EfficientNet-Lite0 and a mean; their weights are those of the whole."""

from dataclasses import replace
from functools import partial

import keras

from headstart.registry import load_registry
from headstart.specs import Backbone, BackboneRequest, Stage, TensorSpec


def _whole(inputs):
    registry = load_registry()
    spec = registry.get("backbones", "efficientnet_lite/lite0")
    whole = registry.load_target(spec, spec.build)(BackboneRequest(spec.default_options(), inputs))
    return registry, spec, whole


def _build(request, last):
    _, _, whole = _whole(request.inputs)
    names = [stage.name for stage in whole.stages]
    kept = whole.stages[: names.index(last) + 1]
    x = keras.Input(kept[-1].model.output["x"].shape[1:], name="x")
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    return Backbone((*kept, Stage("pool", keras.Model({"x": x}, {"pooled": pooled}, name="pool"))))


block2, block3, block4, block5 = (partial(_build, last=f"block{number}") for number in range(2, 6))


def load(file, backbone):
    """The arrays of the stages that are there."""
    image = backbone.stages[0].model.input["image"]
    shape = TensorSpec(tuple(image.shape[1:]), "float32")
    registry, spec, whole = _whole({"image": replace(shape)})
    arrays = registry.load_target(spec, spec.weights[0].load)(file, whole)
    names = {stage.name for stage in backbone.stages}
    return {name: array for name, array in arrays.items() if name.partition("/")[0] in names}
