"""What a user can choose about every head of this package."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.options import option


@dataclass(frozen=True)
class HeadOptions:
    """What a user can choose about the head."""

    dropout: float = option(
        0.0,
        "Share of an mlp head's hidden units, or of a linear head's features, that each training step leaves out.",
        low=0.0,
        high=0.95,
    )
