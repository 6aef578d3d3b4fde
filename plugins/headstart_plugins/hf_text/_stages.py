"""The names of a transformer's stages."""

from __future__ import annotations

EMBEDDINGS, POOL = "embeddings", "pool"


def block_names(blocks: int) -> tuple[str, ...]:
    """The stages of the blocks, bottom first."""
    return tuple(f"block{number}" for number in range(1, blocks + 1))


def stage_names(blocks: int) -> tuple[str, ...]:
    """All stages, bottom first."""
    return (EMBEDDINGS, *block_names(blocks), POOL)
