"""What the stages of an encoder are called, and what tasks can ask of them; imports no framework."""

from __future__ import annotations

from headstart.specs import FeatureSpec

EMBEDDINGS, TOP = "embeddings", "top"


def encoder_stage_names(layers: int) -> tuple[str, ...]:
    """Of an encoder of so many layers, bottom first."""
    return (EMBEDDINGS, *(f"layer{number}" for number in range(1, layers + 1)), TOP)


def encoder_features(width: int | None) -> tuple[FeatureSpec, ...]:
    """What tasks can ask of these stages."""
    return (
        FeatureSpec("tokens", TOP, "x", ("batch", "time", "channel"), width, stride=1, mask="mask"),
        FeatureSpec("pooled", TOP, "pooled", ("batch", "channel"), width),
    )
