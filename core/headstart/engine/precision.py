"""At which precision a network computes: float32, or bfloat16 below the head, with weights and outputs in float32."""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import keras

from headstart.engine.lowering.registry import device_at_hand
from headstart.engine.network.network import Network
from headstart.errors import EngineRefusal
from headstart.specs import INPUT, Stage

FLOAT32, BFLOAT16 = "float32", "bfloat16"
MIXED = "mixed_bfloat16"


def verify_precision(precision: str) -> None:
    """Raises EngineRefusal where this process' backend and device gain nothing from `precision`."""
    if precision not in (FLOAT32, BFLOAT16):
        raise ValueError(f"unknown precision {precision!r}; expected {FLOAT32} or {BFLOAT16}")
    if precision == BFLOAT16 and keras.backend.backend() == "jax" and device_at_hand() == "cpu":
        raise EngineRefusal(
            "JAX computes bfloat16 on the CPU by way of float32, which takes longer than float32 alone",
            hint="use `--precision float32`, another engine, or `--backend torch`",
        )


def run_network(
    network: Network,
    tensors: Mapping[str, Any],
    start: int,
    stop: int,
    *,
    precision: str,
    training: Container[str] = (),
) -> dict[str, Any]:
    """`Network.run` at `precision`; the input stage, the head and every output are float32 in either case.

    In bfloat16 each layer of the backbone casts what it reads, weights included, as Keras' policy mixed_bfloat16 does
    (Micikevicius et al. 2018 for float16; bfloat16 has the range of float32, so no loss is scaled).
    """
    if precision == FLOAT32:
        return network.run(tensors, start, stop, training=training)
    head = len(network.stages) - 1
    middle = max(start, min(stop, head))
    with _mixed(network.stages[start:middle]):
        alive = network.run(tensors, start, middle, training=training)
    return network.run(_widened(alive), middle, stop, training=training)


@contextlib.contextmanager
def _mixed(stages: Sequence[Stage]) -> Iterator[None]:
    """Inside, layers in plain float32 compute in bfloat16. The input stage is left alone: pixels need more digits."""
    policy = keras.DTypePolicy(MIXED)
    layers = [layer for stage in stages if stage.name != INPUT for layer in stage.model._flatten_layers()]
    plain = [(layer, layer.dtype_policy) for layer in layers if layer.dtype_policy.name == FLOAT32]
    try:
        for layer, _ in plain:
            layer.dtype_policy = policy
        yield
    finally:
        for layer, before in plain:
            layer.dtype_policy = before


def _widened(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: keras.ops.cast(tensor, FLOAT32) if keras.backend.standardize_dtype(tensor.dtype) == BFLOAT16 else tensor
        for name, tensor in tensors.items()
    }
