"""The first stages of EfficientNet-Lite0 and a mean; their weights, and those of cut encoders, are those of the
whole."""

from dataclasses import replace
from functools import partial

import keras

from headstart.registry import load_registry
from headstart.specs import Backbone, BackboneRequest, Stage, TensorSpec


def _whole(inputs, name="efficientnet_lite/lite0"):
    registry = load_registry()
    spec = registry.get("backbones", name)
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
    return _kept(file, backbone, *_whole({"image": replace(shape)}))


def _load_text(file, backbone, name):
    """The same of an encoder of sentences."""
    return _kept(file, backbone, *_whole({}, f"hf_text/{name}"))


all_minilm_l6, multilingual_e5_small = (
    partial(_load_text, name=name) for name in ("all_minilm_l6", "multilingual_e5_small")
)


def _kept(file, backbone, registry, spec, whole):
    arrays = registry.load_target(spec, spec.weights[0].load)(file, whole)
    names = {stage.name for stage in backbone.stages}
    return {name: array for name, array in arrays.items() if name.partition("/")[0] in names}
