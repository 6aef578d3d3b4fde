"""A decoder, see `decoder`, one token at a time: what the source says to it is computed once, and so are keys and
values of each token.

The arithmetic is that of the head, on its weights, and held equal to it at every position. It is written on the tensors
themselves: through layers, a step of one token takes several times as long on PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from headstart.specs.tasks import OF_ALL, OF_ROW
from headstart_plugins._sequences import DecoderConfig, StackConfig
from headstart_plugins._sequences._blocks import activated
from headstart_plugins._sequences.decoder import MASK, TOKENS, layer_names
from headstart_plugins._sequences.layers import sines
from headstart_plugins._token_layers import LOWEST

LEAST = 64
"""Inputs and outputs of a product from which it is computed by oneDNN on PyTorch."""
MORE_ROOM = 8
"""Tokens that there is room for at first where shapes may change, and more each time it is full: beams copy all of it
at every step."""
State = dict[str, Any]


def start(
    config: DecoderConfig, head: keras.Model, features: Mapping[str, Any], *, most: int, given: Sequence[int] = ()
) -> State:
    """The state before the first token, see `Generates.start`, for sequences of up to `most` tokens.

    `features` are "tokens" (batch, time, channel) and, where the head takes it, "tokens.mask" (batch, time) bool.
    `given` are tokens that every sequence begins with, before `Search.start`: they are run through, not searched.

    Raises ValueError where the head has no positions for so many.
    """
    room = most + len(given)
    if config.positions == "table" and room > config.most_positions:
        raise ValueError(f"{room} tokens, and there are {config.most_positions} positions")
    tokens = features[TOKENS]
    rows, time = tokens.shape[0], tokens.shape[1]
    state = _of_all(config, head, room)
    if _is_eager():
        state |= {name: _packed(each, rows) for name, each in state.items() if name.endswith(".kernel")}
    if MASK in features:
        state[f"{OF_ROW}mask"] = ops.where(features[MASK], 0.0, LOWEST)[:, None, None, :]
    held = min(room, MORE_ROOM) if _is_eager() else room
    for name in layer_names(config):
        both = _product(state, f"{name}.source", tokens).reshape(rows, time, 2, config.heads, config.size)
        both = ops.transpose(both, (2, 0, 3, 1, 4))
        state[f"{OF_ROW}{name}.keys"], state[f"{OF_ROW}{name}.values"] = both[0], both[1]
        for part in ("keys", "values"):
            state[f"{name}.{part}"] = ops.zeros((rows, config.heads, held, config.size), "float32")
    for place, token in enumerate(given):
        found, _ = step(config, state, ops.full((rows,), token, "int32"), place)
        state |= found
    return state


def step(config: DecoderConfig, state: State, last: Any, position: Any, *, given: int = 0) -> tuple[State, Any]:
    """See `Generates.step`; `given` says how many tokens `start` was given."""
    place, following = position + given, dict[str, Any]()
    x = state[f"{OF_ALL}embedding"][last]
    if config.embedding_scale != 1.0:
        x = x * config.embedding_scale
    if config.positions in ("sines", "table"):
        x = x + state[f"{OF_ALL}positions"][place]
    for name in layer_names(config):
        x = _added(config, state, f"{name}.self_norm", x, _attend_own(config, state, following, name, place))
        x = _added(config, state, f"{name}.cross_norm", x, _attend_source(config, state, name))
        x = _added(config, state, f"{name}.norm", x, _feed_forward(config, state, name))
    if config.pre_norm:
        x = _normalised(config, state, "norm", x)
    return following, _product(state, "logits", x if config.logits_scale == 1.0 else x * config.logits_scale)


class _Kept(dict[str, Any]):
    """Weights as steps read them, kernels that the same tokens are multiplied by side by side."""

    def keep(self, name: str, *layers: keras.layers.Layer, scale: float = 1.0) -> None:
        """Of Dense layers one kernel (in, out) and one bias; the first one's numbers times `scale`."""
        kernels = [ops.convert_to_tensor(each.kernel) for each in layers]
        kernels[0] = kernels[0] * scale
        self[f"{OF_ALL}{name}.kernel"] = ops.concatenate(kernels, axis=1) if len(layers) > 1 else kernels[0]
        if any(each.use_bias for each in layers):
            biases = [
                ops.convert_to_tensor(each.bias) if each.use_bias else ops.zeros((each.units,)) for each in layers
            ]
            biases[0] = biases[0] * scale
            self[f"{OF_ALL}{name}.bias"] = ops.concatenate(biases, axis=0)

    def keep_norm(self, name: str, layer: keras.layers.Layer) -> None:
        """A norm's numbers."""
        is_layer_norm = hasattr(layer, "gamma")
        self[f"{OF_ALL}{name}.scale"] = ops.convert_to_tensor(layer.gamma if is_layer_norm else layer.scale)
        if is_layer_norm:
            self[f"{OF_ALL}{name}.shift"] = ops.convert_to_tensor(layer.beta)


def _of_all(config: DecoderConfig, head: keras.Model, room: int) -> State:
    kept = _Kept()
    for name in layer_names(config):
        part = head.get_layer(name).get_layer
        kept.keep(f"{name}.self", *(part(f"self_{each}") for each in ("query", "key", "value")), scale=config.scale)
        kept.keep(f"{name}.self_output", part("self_output"))
        kept.keep(f"{name}.query", part("cross_query"), scale=config.scale)
        kept.keep(f"{name}.source", part("cross_key"), part("cross_value"))
        kept.keep(f"{name}.cross_output", part("cross_output"))
        kept.keep(f"{name}.hidden", part("hidden"), *([part("gate")] if config.gated else []))
        kept.keep(f"{name}.output", part("output"))
        for each in ("self_norm", "cross_norm", "norm"):
            kept.keep_norm(f"{name}.{each}", part(each))
    if config.pre_norm:
        kept.keep_norm("norm", head.get_layer("norm"))
    table = kept[f"{OF_ALL}embedding"] = ops.convert_to_tensor(head.get_layer("embedding").embeddings)
    if config.tied:
        kept[f"{OF_ALL}logits.kernel"] = ops.transpose(table)
    else:
        kept.keep("logits", head.get_layer("unembedding"))
    if config.logits_bias:
        kept[f"{OF_ALL}logits.bias"] = ops.convert_to_tensor(head.get_layer("logits_bias").bias)
    return kept | _positions(config, head, room)


def _positions(config: DecoderConfig, head: keras.Model, room: int) -> State:
    if config.positions == "sines":
        return {f"{OF_ALL}positions": sines(room, config.width)}
    if config.positions == "table":
        rows = slice(config.first_position, config.first_position + room)
        return {f"{OF_ALL}positions": ops.convert_to_tensor(head.get_layer("position").table)[rows]}
    if config.positions == "relative":
        return {f"{OF_ALL}behind": ops.transpose(head.get_layer("relative").of_distances(room))}
    return {}


def _attend_own(config: DecoderConfig, state: State, following: State, name: str, place: Any) -> Any:
    """Self-attention of the newest token, whose keys and values join those of the tokens before it."""

    def attend(x: Any) -> Any:
        parts = _product(state, f"{name}.self", x).reshape(x.shape[0], 3, config.heads, 1, config.size)
        held = {part: state[f"{name}.{part}"] for part in ("keys", "values")}
        for number, part in enumerate(held, 1):
            following[f"{name}.{part}"] = held[part] = _written(held[part], parts[:, number], place)
        bias = None
        if isinstance(place, int):
            held = {part: each[:, :, : place + 1] for part, each in held.items()}
            if config.positions == "relative":
                bias = ops.flip(state[f"{OF_ALL}behind"][:, : place + 1], axis=1)[None, :, None, :]
        else:
            behind = place - ops.arange(held["keys"].shape[2], dtype="int32")
            bias = ops.where(behind >= 0, 0.0, LOWEST)[None, None, None, :]
            if config.positions == "relative":
                bias = bias + ops.take(state[f"{OF_ALL}behind"], ops.maximum(behind, 0), axis=1)[None, :, None, :]
        seen = _attended(parts[:, 0], held["keys"], held["values"], bias)
        return _product(state, f"{name}.self_output", seen.reshape(x.shape[0], -1))

    return attend


def _attend_source(config: DecoderConfig, state: State, name: str) -> Any:
    """Attention to the source, whose keys the sequences of a row share."""

    def attend(x: Any) -> Any:
        keys, values = state[f"{OF_ROW}{name}.keys"], state[f"{OF_ROW}{name}.values"]
        query = _product(state, f"{name}.query", x).reshape(keys.shape[0], -1, config.heads, config.size)
        seen = _attended(query.swapaxes(1, 2), keys, values, state.get(f"{OF_ROW}mask"))
        return _product(state, f"{name}.cross_output", seen.swapaxes(1, 2).reshape(x.shape[0], -1))

    return attend


def _feed_forward(config: DecoderConfig, state: State, name: str) -> Any:
    def feed(x: Any) -> Any:
        hidden = _product(state, f"{name}.hidden", x)
        if config.gated:
            hidden = activated(config.activation, hidden[:, : config.hidden]) * hidden[:, config.hidden :]
        else:
            is_plain = _is_eager() and config.activation == "relu"
            hidden = hidden.relu_() if is_plain else activated(config.activation, hidden)
        return _product(state, f"{name}.output", hidden)

    return feed


def _added(config: StackConfig, state: State, norm: str, x: Any, compute: Any) -> Any:
    if config.pre_norm:
        return x + compute(_normalised(config, state, norm, x))
    return _normalised(config, state, norm, x + compute(x))


def _product(state: State, name: str, x: Any) -> Any:
    """(..., in) to (..., out)."""
    kernel, bias = state[f"{OF_ALL}{name}.kernel"], state.get(f"{OF_ALL}{name}.bias")
    if getattr(kernel, "is_mkldnn", False):
        import torch

        return torch.ops.mkldnn._linear_pointwise(x, kernel, bias, "none", [], "")
    found = x @ kernel
    return found if bias is None else found + bias


def _packed(kernel: Any, rows: int) -> Any:
    """A kernel (in, out) on PyTorch, in the order of oneDNN's blocks where that computes float32 on a processor: it
    need not be brought into that order at every step, which takes long beside a step of few rows."""
    import torch

    is_offered = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    if not is_offered or kernel.device.type != "cpu" or kernel.dtype != torch.float32 or min(kernel.shape) < LEAST:
        return kernel
    return torch.ops.mkldnn._reorder_linear_weight(kernel.detach().t().contiguous(), rows)


def _normalised(config: StackConfig, state: State, name: str, x: Any) -> Any:
    scale, shift = state[f"{OF_ALL}{name}.scale"], state.get(f"{OF_ALL}{name}.shift")
    if _is_eager():
        from torch.nn import functional

        if config.norm == "rms":
            return functional.rms_norm(x, scale.shape, scale, config.epsilon)
        return functional.layer_norm(x, scale.shape, scale, shift, config.epsilon)
    if config.norm == "rms":
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + config.epsilon) * scale
    x = x - ops.mean(x, axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + config.epsilon) * scale + shift


def _attended(query: Any, keys: Any, values: Any, bias: Any | None) -> Any:
    """(batch, head, query, size) of `keys` and `values` (batch, head, key, size); `bias` is added to scores."""
    scores = query @ keys.swapaxes(2, 3)
    scores = scores if bias is None else scores + bias
    if _is_eager():  # for few queries less than fused attention takes
        return scores.softmax(-1) @ values
    weights = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))  # Keras' softmax warns of a single key
    return (weights / ops.sum(weights, axis=-1, keepdims=True)) @ values


def _written(held: Any, new: Any, place: Any) -> Any:
    """`held` (batch, head, most, size) with `new` (batch, head, 1, size) at `place`; on PyTorch in the same memory, as
    long as there is room."""
    if not _is_eager():
        return ops.slice_update(held, (0, 0, place, 0), new)
    if place >= held.shape[2]:
        held = ops.pad(held, ((0, 0), (0, 0), (0, MORE_ROOM), (0, 0)))
    held[:, :, place] = new[:, :, 0]
    return held


def _is_eager() -> bool:
    return bool(keras.backend.backend() == "torch")
