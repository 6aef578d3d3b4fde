"""Why a network cannot be exported, or its graph not opened, as both engines say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.errors import EngineRefusal

HINT = "use another engine, or --engine native"


def refusal(what: str, exc: Exception) -> EngineRefusal:
    """`what`, and the first line of the error, which names the operation; the error's type where it says nothing."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return EngineRefusal(f"{what}: {lines[0] if lines else type(exc).__name__}", hint=HINT)


def check_lengths(inputs: Mapping[str, Any]) -> None:
    """Raises EngineRefusal naming one of the inputs of a network (batch, ...) that has more free axes than a length."""
    for name, tensor in inputs.items():
        if tensor.shape[1:].count(None) > 1:
            raise EngineRefusal(
                f"input {name!r} has shape {tuple(tensor.shape)}: only the batch and one length may be free in a graph",
                hint="build the network for one size, or use --engine native",
            )
