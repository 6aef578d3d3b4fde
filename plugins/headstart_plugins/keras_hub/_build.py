"""Build target: a backbone of KerasHub from its configuration, cut into stages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from headstart.engine.network.cutting import between
from headstart.errors import UsageError
from headstart.specs import Backbone, BackboneRequest, Stage
from headstart_plugins.keras_hub._cuts import find_cuts
from headstart_plugins.keras_hub._families import POOLING, Pooling
from headstart_plugins.keras_hub._needs import require_installed
from headstart_plugins.keras_hub._plain import require_plain
from headstart_plugins.keras_hub._registered import TOP


def build(request: BackboneRequest) -> Backbone:
    """The backbone that `request.options.config` describes, with random weights.

    The first stage reads "image" (batch, height, width, 3) float32, preprocessed as the preset wants; between stages
    lies "x": a map (batch, height, width, channel) or tokens (batch, time, channel); the last one, `top`, gives
    "pooled" (batch, channel). All float32. Raises UsageError for a configuration that KerasHub does not build.
    """
    whole = whole_network(request.options.config, request.inputs["image"].shape)
    return Backbone(tuple(cut_stages(whole)))


def whole_network(config: str, shape: tuple[int, ...]) -> keras.Model:
    """KerasHub's own model for pictures of `shape` (height, width, 3). Raises UsageError."""
    require_installed()
    if not config:
        hint = "name a preset's folder, or a preset that `headstart weights get keras_hub/PRESET` has fetched"
        raise UsageError("the backbone's configuration is not there: `config` is empty", hint=hint)
    try:
        document = json.loads(config)
        backbone, settings = _described(document)
        size = {"input_shape" if backbone.__name__ == "EfficientNetBackbone" else "image_shape": shape}
        model: keras.Model = backbone(**{**settings, **size, "dtype": "float32"})
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise UsageError(f"KerasHub does not build this backbone for pictures of {shape}: {exc}") from exc
    return model


def _described(document: Mapping[str, Any]) -> tuple[type, dict[str, Any]]:
    """The class and its settings; classes are looked up by name among those we know, never imported by path."""
    import keras_hub

    if "class_name" in document:
        name, settings = document["class_name"], dict(document["config"])
    else:
        converter = converter_of(document)
        name = converter.backbone_cls.__name__
        settings = dict(converter.convert_backbone_config(document))
    if name not in POOLING:
        raise UsageError(f"{name} is no image backbone that is read here", hint=f"expected one of {', '.join(POOLING)}")
    require_plain(settings)  # an artefact's configuration comes this way alone
    return getattr(keras_hub.models, name), settings


def converter_of(document: Mapping[str, Any]) -> Any:
    """KerasHub's converter for a Hugging Face or timm configuration. Raises ValueError for one it does not know."""
    from keras_hub.src.utils.timm.preset_loader import TimmPresetLoader
    from keras_hub.src.utils.transformers.preset_loader import TransformersPresetLoader

    loader = TransformersPresetLoader if "model_type" in document else TimmPresetLoader
    return loader("", document).converter


def cut_stages(whole: keras.Model) -> Iterator[Stage]:
    """`whole` as stages, bottom first; the last one pools, and holds weights as the others do."""
    cuts = find_cuts(whole)
    tensors, boundaries = {"image": cuts.entry}, list(cuts.boundaries)
    while boundaries and not between({"x": boundaries[-1].tensor}, {"y": cuts.result}, TOP).weights:
        boundaries.pop()  # as of VGG, whose blocks end by pooling
    for boundary in boundaries:
        above = {"x": boundary.tensor}
        yield Stage(boundary.name, between(tensors, above, boundary.name))
        tensors = above
    pooled = _pooled(cuts.result, POOLING[type(whole).__name__])
    yield Stage(TOP, between(tensors, {"pooled": pooled}, TOP))


def _pooled(tensor: Any, pooling: Pooling) -> Any:
    """(batch, channel) of a map or of tokens."""
    if pooling == "class_token":
        return tensor[:, 0]
    return keras.ops.mean(tensor, axis=tuple(range(1, len(tensor.shape) - 1)))
