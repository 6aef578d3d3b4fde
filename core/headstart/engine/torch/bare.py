"""Functional models run without what Keras does around each layer's call: checks, casts and masks, which take longer
than small layers themselves. What comes out is held equal to the model's own answer the first time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import torch

from headstart.engine.network.network import Network

ENOUGH = 1e-5
"""How far numbers may be from the stock answer's, relative to the largest of them: both are rounded alike."""


def stages(network: Network, start: int, stop: int) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """`network.run` of these stages in inference mode; bare from the second call on where that changes nothing."""
    held: list[bool] = []

    def run(tensors: Mapping[str, Any]) -> dict[str, Any]:
        if held and held[0]:
            return network.run(tensors, start, stop, call=_bare)
        found = network.run(tensors, start, stop)
        if not held:
            held.append(_is_equal(network, start, stop, tensors, found))
        return found

    return run


def _is_equal(network: Network, start: int, stop: int, tensors: Mapping[str, Any], stock: Mapping[str, Any]) -> bool:
    try:
        found = network.run(tensors, start, stop, call=_bare)
    except Exception:  # whatever a layer expects of Keras: then Keras calls it
        return False
    return all(_close(each, found[name]) for name, each in stock.items())


def _close(stock: Any, bare: Any) -> bool:
    if (stock.dtype, stock.shape) != (bare.dtype, bare.shape):
        return False
    if not stock.is_floating_point():
        return bool(torch.equal(stock, bare))
    return bool((stock - bare).abs().max() <= ENOUGH * stock.abs().max())


def _bare(model: keras.Model, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return dict(model._run_through_graph(tensors, operation_fn=_call_of))


def _call_of(operation: Any) -> Callable[..., Any]:
    if isinstance(operation, keras.Model) and hasattr(operation, "_run_through_graph"):
        return lambda tensors, *rest, **more: operation._run_through_graph(tensors, operation_fn=_call_of)
    call: Callable[..., Any] = operation.call
    if type(operation) is keras.layers.Dense and _is_plain(operation):
        return lambda inputs: _dense(operation, inputs)
    if getattr(operation, "_call_has_training_arg", False):
        return lambda *given, **more: call(*given, **{**more, "training": False})
    return call


def _is_plain(layer: keras.layers.Dense) -> bool:
    return bool(layer.compute_dtype == "float32" and not layer.lora_enabled and layer.quantization_mode is None)


def _dense(layer: keras.layers.Dense, inputs: Any) -> Any:
    """The bias within the product, which is a pass over the outputs less."""
    kernel = keras.ops.convert_to_tensor(layer.kernel)
    rows = inputs.reshape(-1, inputs.shape[-1])
    found = rows @ kernel if layer.bias is None else torch.addmm(layer.bias.value, rows, kernel)
    found = found.view(*inputs.shape[:-1], -1)
    return found if layer.activation is None else layer.activation(found)
