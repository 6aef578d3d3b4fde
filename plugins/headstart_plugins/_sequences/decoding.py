"""A decoder, see `decoder`, one token at a time: what the source says to it is computed once, and so are keys and
values of each token, which stay where they were written whichever sequence of a row goes on from them.

The arithmetic is that of the head, on its weights, and held equal to it at every position. It is written on the tensors
themselves: through layers, a step of one token takes several times as long on PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from headstart.specs.tasks import ANCESTORS, OF_ALL, OF_ROW, OF_SLOT
from headstart_plugins._sequences import DecoderConfig, StackConfig, lengths_up_to
from headstart_plugins._sequences._blocks import activated
from headstart_plugins._sequences.decoder import MASK, TOKENS, layer_names
from headstart_plugins._sequences.layers import sines
from headstart_plugins._token_layers import LOWEST

LARGE = 2**18
"""Numbers of a kernel from which oneDNN, with the kernel in its own order, takes less time than PyTorch's other
library for a product with a few rows (AMD EPYC, torch 2.13)."""
MORE_ROOM = 16
"""Tokens that there is room for at first where shapes may change, and more each time it is full."""
State = dict[str, Any]


def start(
    config: DecoderConfig,
    head: keras.Model,
    features: Mapping[str, Any],
    *,
    most: int,
    beams: int = 1,
    given: Sequence[int] = (),
) -> State:
    """The state before the first token, see `Generates.start`, for `beams` sequences a row of up to `most` tokens.

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
        state |= {name: _packed(each, rows * beams) for name, each in state.items() if name.endswith(".kernel")}
    if MASK in features and not (_is_eager() and bool(features[MASK].all())):
        state[f"{OF_ROW}mask"] = ops.where(features[MASK], 0.0, LOWEST)[:, None, None, :]
    held = min(room, MORE_ROOM) if _is_eager() else room
    for name in layer_names(config):
        both = _product(state, f"{name}.source", tokens).reshape(rows, time, 2, config.heads, config.size)
        both = ops.transpose(both, (0, 3, 2, 1, 4))
        # In this order of memory, or every step would bring them into it
        state[f"{OF_ROW}{name}.source"] = both.contiguous() if _is_eager() else both
        state[f"{OF_SLOT}{name}.own"] = ops.zeros((rows, config.heads, 2, held, beams, config.size), "float32")
    for place, token in enumerate(given):
        found, _ = step(config, state, ops.full((rows,), token, "int32"), place)
        state |= found
    return state


def step(config: DecoderConfig, state: State, last: Any, position: Any, *, given: int = 0) -> tuple[State, Any]:
    """See `Generates.step`; `given` says how many tokens `start` was given."""
    place, following = position + given, dict[str, Any]()
    x = _looked_up(state[f"{OF_ALL}embedding"], last)
    if config.embedding_scale != 1.0:
        x = x * config.embedding_scale
    if config.positions in ("sines", "table"):
        x = x + state[f"{OF_ALL}positions"][place]
    seen = _Seen(config, state, place, given)
    for name in layer_names(config):
        x = _added(config, state, f"{name}.self_norm", x, _attend_own(config, state, following, name, seen))
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


class _Seen:
    """What the newest token of each sequence sees of those before it: at `place` it is itself.

    Of the sequences of a row, that wrote their keys side by side, each sees at every place that one which it goes on
    from.
    """

    def __init__(self, config: DecoderConfig, state: State, place: Any, given: int) -> None:
        self.place = place
        self._state, self._is_relative = state, config.positions == "relative"
        self._given = given
        self._ancestors: Any = state.get(ANCESTORS)
        self._known = isinstance(place, int)
        self._biases: dict[int, Any] = {}

    def attend(self, query: Any, own: Any) -> Any:
        """(row, head, beam, size) of `own`, see `_attend_own`, as far as anything is written in it."""
        held = own.shape[3]
        if self._known:
            return self._attend(query, own, self.place + 1)
        lengths = [length for length in lengths_up_to(held) if length < held]
        if _is_eager() or not lengths:
            return self._attend(query, own, held)
        # All that is there is read at every step: the few static lengths cost less than the longest one.
        index = sum(ops.cast(self.place >= length, "int32") for length in lengths)
        for length in (*lengths, held):  # shared by all layers, so outside of the branches
            self._bias(length, own.shape[4], query.shape[2])
        branches = [lambda length=length: self._attend(query, own, length) for length in (*lengths, held)]
        return ops.switch(index, branches)

    def _attend(self, query: Any, own: Any, length: int) -> Any:
        rows, heads, _, _, beams, size = own.shape
        keys, values = (own[:, :, part, :length].reshape(rows, heads, length * beams, size) for part in (0, 1))
        return _attended(query, keys, values, self._bias(length, beams, query.shape[2]))

    def _bias(self, length: int, beams: int, queries: int) -> Any | None:
        """What is added to scores (row, head, query, `length` * beam), or broadcasts to them."""
        if length not in self._biases:
            self._biases[length] = self._bias_of(length, beams, queries)
        return self._biases[length]

    def _bias_of(self, length: int, beams: int, queries: int) -> Any | None:
        found: Any = None
        if not self._known:
            behind = self.place - ops.arange(length, dtype="int32")
            found = ops.where(behind >= 0, 0.0, LOWEST)[None, None, None, :, None]
            if self._is_relative:
                far = ops.take(self._state[f"{OF_ALL}behind"], ops.maximum(behind, 0), axis=1)
                found = found + far[None, :, None, :, None]
        elif self._is_relative:
            found = ops.flip(self._state[f"{OF_ALL}behind"][:, :length], axis=1)[None, :, None, :, None]
        if queries > 1:
            each = _each(beams, self._ancestors)
            wrote = self._ancestors[:, :, : max(length - self._given, 0)]
            if self._given:  # every sequence wrote the same there
                first = ops.broadcast_to(each[None, :, None], (wrote.shape[0], beams, min(self._given, length)))
                wrote = ops.concatenate([first, wrote], axis=2)
            if wrote.shape[2] < length:  # there is room for more than can come
                wrote = ops.pad(wrote, ((0, 0), (0, 0), (0, length - wrote.shape[2])))
            others = _hidden(wrote[..., None] != each)[:, None]
            found = others if found is None else found + others
        elif found is not None and beams > 1:  # what is given, which all sequences of a row have
            found = ops.broadcast_to(found, (*found.shape[:4], beams))
        return None if found is None else found.reshape(*found.shape[:3], -1)


def _each(beams: int, like: Any) -> Any:
    """The numbers of the sequences of a row."""
    if _is_eager():
        import torch

        return torch.arange(beams, dtype=like.dtype, device=like.device)
    return ops.arange(beams, dtype="int32")


def _hidden(others: Any) -> Any:
    """What is added to scores, far below all others where something is not to be seen."""
    return others.float().mul_(LOWEST) if _is_eager() else ops.where(others, LOWEST, 0.0)


def _attend_own(config: DecoderConfig, state: State, following: State, name: str, seen: _Seen) -> Any:
    """Self-attention of the newest tokens, whose keys and values join those of the tokens before them: they are kept
    as (row, head, 2, place, beam, size)."""

    def attend(x: Any) -> Any:
        own = state[f"{OF_SLOT}{name}.own"]
        rows = own.shape[0]
        beams = x.shape[0] // rows
        parts = _product(state, f"{name}.self", x).reshape(rows, beams, 3, config.heads, config.size)
        own = following[f"{OF_SLOT}{name}.own"] = _written(own, parts[:, :, 1:], seen.place)
        found = seen.attend(parts[:, :, 0].swapaxes(1, 2), own)
        return _product(state, f"{name}.self_output", found.swapaxes(1, 2).reshape(x.shape[0], -1))

    return attend


def _attend_source(config: DecoderConfig, state: State, name: str) -> Any:
    """Attention to the source, whose keys the sequences of a row share."""

    def attend(x: Any) -> Any:
        source = state[f"{OF_ROW}{name}.source"]
        query = _product(state, f"{name}.query", x).reshape(source.shape[0], -1, config.heads, config.size)
        found = _attended(query.swapaxes(1, 2), source[:, :, 0], source[:, :, 1], state.get(f"{OF_ROW}mask"))
        return _product(state, f"{name}.cross_output", found.swapaxes(1, 2).reshape(x.shape[0], -1))

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
        return _sum(compute(_normalised(config, state, norm, x)), x)
    return _normalised(config, state, norm, _sum(compute(x), x))


def _sum(new: Any, x: Any) -> Any:
    return new.add_(x) if _is_eager() else x + new


def _looked_up(table: Any, ids: Any) -> Any:
    return table.index_select(0, ids) if _is_eager() else table[ids]


def _product(state: State, name: str, x: Any) -> Any:
    """(..., in) to (..., out)."""
    kernel, bias = state[f"{OF_ALL}{name}.kernel"], state.get(f"{OF_ALL}{name}.bias")
    if not _is_eager():
        found = x @ kernel
        return found if bias is None else found + bias
    import torch

    if kernel.is_mkldnn:
        return torch.ops.mkldnn._linear_pointwise(x, kernel, bias, "none", [], "")
    rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
    found = torch.mm(rows, kernel) if bias is None else torch.addmm(bias, rows, kernel)
    return found if x.ndim == 2 else found.view(*x.shape[:-1], -1)


def _packed(kernel: Any, rows: int) -> Any:
    """A kernel (in, out) on PyTorch, a large one in the order of oneDNN's blocks where that computes float32 on a
    processor: it need not be brought into that order at every step, which takes long beside a step of few rows."""
    import torch

    is_offered = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    kernel = kernel.detach()
    if not is_offered or kernel.device.type != "cpu" or kernel.dtype != torch.float32 or kernel.numel() < LARGE:
        return kernel
    return torch.ops.mkldnn._reorder_linear_weight(kernel.t().contiguous(), rows)


def _normalised(config: StackConfig, state: State, name: str, x: Any) -> Any:
    scale, shift = state[f"{OF_ALL}{name}.scale"], state.get(f"{OF_ALL}{name}.shift")
    if _is_eager():
        import torch

        if config.norm == "rms":
            return torch.rms_norm(x, scale.shape, scale, config.epsilon)
        return torch.layer_norm(x, scale.shape, scale, shift, config.epsilon)
    if config.norm == "rms":
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + config.epsilon) * scale
    x = x - ops.mean(x, axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + config.epsilon) * scale + shift


def _attended(query: Any, keys: Any, values: Any, bias: Any | None) -> Any:
    """(row, head, query, size) of `keys` and `values` (row, head, key, size); `bias` is added to scores."""
    if _is_eager():  # for few queries less than fused attention takes
        import torch

        rows, heads, count, size = query.shape
        flat = (rows * heads, -1, size)
        scores = torch.bmm(query.reshape(flat), keys.reshape(flat).transpose(1, 2))
        if bias is not None:
            scores.view(rows, heads, count, -1).add_(bias)
        return torch.bmm(scores.softmax(-1), values.reshape(flat)).view(query.shape)
    scores = query @ keys.swapaxes(2, 3)
    scores = scores if bias is None else scores + bias
    weights = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))  # Keras' softmax warns of a single key
    return (weights / ops.sum(weights, axis=-1, keepdims=True)) @ values


def _written(own: Any, new: Any, place: Any) -> Any:
    """`own` (row, head, 2, most, beam, size) with `new` (row, beam, 2, head, size) at `place`; of a single one for
    several beams, it is that of all. On PyTorch in the same memory, as long as there is room."""
    if not _is_eager():
        new = ops.transpose(new, (0, 3, 2, 1, 4))
        new = ops.broadcast_to(new, (*own.shape[:3], *own.shape[4:]))
        return ops.slice_update(own, (0, 0, 0, place, 0, 0), new[:, :, :, None])
    if place >= own.shape[3]:
        more = own.new_zeros((*own.shape[:3], MORE_ROOM, *own.shape[4:]))
        own = ops.concatenate([own, more], axis=3)
    own[:, :, :, place] = new.permute(0, 3, 2, 1, 4)
    return own


def _is_eager() -> bool:
    return bool(keras.backend.backend() == "torch")
