"""The heads of this package, and what a user can choose about each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headstart.options import option

HEADS = ("linear", "mlp", "flatten")
HEAD_FEATURES: Mapping[str, tuple[str, ...]] = {"flatten": ("map@32",)}
"""Of the heads that are not on `pooled`."""


@dataclass(frozen=True)
class HeadOptions:
    """What a user can choose about the head."""

    dropout: float = option(
        0.0,
        "Share of units that each training step leaves out after every hidden layer of the head; of its features where "
        "it has no hidden layer.",
        low=0.0,
        high=0.95,
    )
