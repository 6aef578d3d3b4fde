"""Build target: a backbone of KerasHub from its configuration, cut into stages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from headstart.engine.network.cutting import between, lone_tensors, nodes_of
from headstart.errors import UsageError
from headstart.specs import Backbone, BackboneRequest, Stage
from headstart_plugins.keras_hub._families import POOLING, TOP
from headstart_plugins.keras_hub._folder import require_plain
from headstart_plugins.keras_hub._needs import require_installed

BLOCKS = {"ViTEncoder": "encoder_layers", "DINOV2Encoder": "layers"}
"""The attribute of an encoder that holds its blocks, by KerasHub's class name. What each does is its `call`; the tests
compare with it. The blocks of the other two (DeiT, DINOV3) cannot be called one by one on symbolic tensors, or need
more than tokens: they stay one stage."""


def run_blocks(encoder: Any, tokens: Any) -> Iterator[Any]:
    """The tokens (batch, time, channel) after each block of an encoder in BLOCKS, and last what it gives."""
    kind = type(encoder).__name__
    if kind == "ViTEncoder":
        tokens = encoder.dropout(tokens)
    for block in getattr(encoder, BLOCKS[kind]):
        tokens = block(tokens)
        yield tokens
    yield encoder.layer_norm(tokens) if kind == "ViTEncoder" else tokens


MAP_RANK, TOKENS_RANK = 4, 3
"""Axes of (batch, height, width, channel) and of (batch, time, channel)."""


def find_cuts(whole: keras.Model) -> tuple[dict[str, Any], Any]:
    """The tensors to cut `whole` at, by the name of the stage that each ends, bottom first; and its result.

    They lie at each level of a pyramid, or after each block of a token network. What lies between the last one and the
    result, which is what KerasHub's own classifiers pool, is the top.
    """
    result = whole.output[whole.stage_names[-1]] if isinstance(whole.output, dict) else whole.output
    lonely = [(node, tensor) for node, tensor in lone_tensors(whole, [result]) if tensor is not result]
    if len(result.shape) == MAP_RANK:
        return _levels([tensor for _, tensor in lonely if len(tensor.shape) == MAP_RANK], whole, result), result
    encoder = next((node for node in nodes_of(whole) if type(node.operation).__name__ in BLOCKS), None)
    if encoder is None:
        blocks = [tensor for node, tensor in lonely if _is_block(node.operation) and len(tensor.shape) == TOKENS_RANK]
        return {f"stage{number}": tensor for number, tensor in enumerate(blocks, start=1)}, result
    embedded, given = encoder.arguments.keras_tensors[0], encoder.outputs[0]
    *blocks, encoded = run_blocks(encoder.operation, embedded)
    cuts = {"embedding": embedded, **{f"block{number}": tensor for number, tensor in enumerate(blocks, start=1)}}
    return cuts, encoded if given is result else keras.Model(given, result)(encoded)


def _levels(maps: Sequence[Any], whole: keras.Model, result: Any) -> dict[str, Any]:
    """At each level the pyramid's own tensor where it can be cut at, else the last that can: level n is 1/2^n wide."""
    pyramid = {id(tensor) for tensor in getattr(whole, "pyramid_outputs", {}).values()}
    width = whole.inputs[0].shape[2]
    last = _level(result.shape[2], width)
    chosen: dict[int, Any] = {}
    for tensor in maps:
        level = _level(tensor.shape[2], width)
        if 0 < level < last and id(chosen.get(level)) not in pyramid:
            chosen[level] = tensor
    return {f"p{level}": tensor for level, tensor in sorted(chosen.items())}


def _level(size: int, width: int) -> int:
    """Halvings from `width` to `size`; paddings of a few pixels change nothing."""
    return round(math.log2(width / size))


def _is_block(operation: Any) -> bool:
    """A composite layer, such as a patch embedding or an encoder."""
    return isinstance(operation, keras.Layer) and bool(list(operation._flatten_layers(include_self=False)))


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
    cuts, result = find_cuts(whole)
    while cuts and not between({"x": list(cuts.values())[-1]}, {"y": result}, TOP).weights:
        cuts.popitem()  # as of VGG, whose blocks end by pooling
    (entry,) = whole.inputs
    tensors = {"image": entry}
    for name, tensor in cuts.items():
        above = {"x": tensor}
        yield Stage(name, between(tensors, above, name))
        tensors = above
    if POOLING[type(whole).__name__] == "class_token":
        pooled = result[:, 0]
    else:
        pooled = keras.ops.mean(result, axis=tuple(range(1, len(result.shape) - 1)))
    yield Stage(TOP, between(tensors, {"pooled": pooled}, TOP))
