"""Build target: a backbone of KerasHub from its configuration, cut into stages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from headstart.engine.network.cutting import between, lone_tensors, nodes_of
from headstart.errors import UsageError
from headstart.specs import Backbone, BackboneRequest, Stage
from headstart_plugins.keras_hub._families import POOLING, Pooling
from headstart_plugins.keras_hub._needs import require_installed
from headstart_plugins.keras_hub._plain import require_plain
from headstart_plugins.keras_hub._registered import TOP


@dataclass(frozen=True)
class Chain:
    """The attributes of an encoder: its blocks, and the layers that it runs before and after them."""

    blocks: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


CHAINS = {
    "ViTEncoder": Chain("encoder_layers", before=("dropout",), after=("layer_norm",)),
    "DINOV2Encoder": Chain("layers"),
}
"""By KerasHub's class name. What each does is its `call`; the tests compare with it. The blocks of the other two
(DeiT, DINOV3) cannot be called one by one on symbolic tensors, or need more than tokens: they stay one stage."""


def is_chain(layer: Any) -> bool:
    """Whether `layer` is an encoder that can be opened."""
    return type(layer).__name__ in CHAINS


def run_blocks(layer: Any, tokens: Any) -> Iterator[Any]:
    """The tokens (batch, time, channel) after each block, and last what the encoder gives."""
    chain = CHAINS[type(layer).__name__]
    tokens = _run([getattr(layer, name) for name in chain.before], tokens)
    for block in getattr(layer, chain.blocks):
        tokens = _run([block], tokens)
        yield tokens
    yield _run([getattr(layer, name) for name in chain.after], tokens)


def _run(layers: Sequence[Any], tokens: Any) -> Any:
    for layer in layers:
        tokens = layer(tokens)
    return tokens


MAP_RANK, TOKENS_RANK = 4, 3
"""Axes of (batch, height, width, channel) and of (batch, time, channel)."""


@dataclass(frozen=True)
class Boundary:
    """The end of the stage `name`, and the one tensor that crosses it."""

    name: str
    tensor: Any


@dataclass(frozen=True)
class Cuts:
    """A network from `entry`, pictures (batch, height, width, channel), over `boundaries` to `result`."""

    entry: Any
    boundaries: tuple[Boundary, ...]
    result: Any


def find_cuts(whole: keras.Model) -> Cuts:
    """The cuts of `whole`, bottom first: at each level of a pyramid, or after each block of a token network.

    What lies between the last one and the result, which is what KerasHub's own classifiers pool, is the top.
    """
    (entry,) = whole.inputs
    result = whole.output[whole.stage_names[-1]] if isinstance(whole.output, dict) else whole.output
    lonely = [(node, tensor) for node, tensor in lone_tensors(whole, [result]) if tensor is not result]
    if len(result.shape) == MAP_RANK:
        maps = [tensor for _, tensor in lonely if len(tensor.shape) == MAP_RANK]
        return Cuts(entry, tuple(_levels(maps, whole, entry, result)), result)
    blocks = [tensor for node, tensor in lonely if _is_block(node.operation) and len(tensor.shape) == TOKENS_RANK]
    encoder = next((node for node in nodes_of(whole) if is_chain(node.operation)), None)
    if encoder is None:
        return Cuts(entry, tuple(Boundary(f"stage{n}", tensor) for n, tensor in enumerate(blocks, start=1)), result)
    return _opened(entry, encoder, result)


def _opened(entry: Any, encoder: Any, result: Any) -> Cuts:
    """The embedding, each block of the encoder, and what follows it."""
    embedded, given = encoder.arguments.keras_tensors[0], encoder.outputs[0]
    *blocks, encoded = run_blocks(encoder.operation, embedded)
    boundaries = [Boundary(f"block{number}", tensor) for number, tensor in enumerate(blocks, start=1)]
    end = encoded if given is result else keras.Model(given, result)(encoded)
    return Cuts(entry, (Boundary("embedding", embedded), *boundaries), end)


def _levels(maps: Sequence[Any], whole: keras.Model, entry: Any, result: Any) -> list[Boundary]:
    """At each level the pyramid's own tensor where it can be cut at, else the last that can: level n is 1/2^n wide."""
    pyramid = {id(tensor) for tensor in getattr(whole, "pyramid_outputs", {}).values()}
    width = entry.shape[2]
    last = _level(result.shape[2], width)
    chosen: dict[int, Any] = {}
    for tensor in maps:
        level = _level(tensor.shape[2], width)
        if 0 < level < last and id(chosen.get(level)) not in pyramid:
            chosen[level] = tensor
    return [Boundary(f"p{level}", tensor) for level, tensor in sorted(chosen.items())]


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
