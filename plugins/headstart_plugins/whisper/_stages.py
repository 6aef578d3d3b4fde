"""The names of the stages of Whisper's encoder, and of what they give."""

from __future__ import annotations

from headstart.specs import FeatureSpec

FRONT, POOL = "front", "pool"


def block_names(blocks: int) -> tuple[str, ...]:
    """The stages of the blocks, bottom first."""
    return tuple(f"block{number}" for number in range(1, blocks + 1))


def stage_names(blocks: int) -> tuple[str, ...]:
    """All stages, bottom first."""
    return (FRONT, *block_names(blocks), POOL)


def features(width: int | None) -> tuple[FeatureSpec, ...]:
    """What tasks can ask for; a position of `tokens` stands for two frames of the spectrogram."""
    return (
        FeatureSpec("pooled", POOL, "pooled", ("batch", "channel"), width),
        FeatureSpec("tokens", POOL, "x", ("batch", "time", "channel"), width, stride=2, mask="mask"),
    )
