"""Where tiles of a large picture lie."""

from __future__ import annotations


def tiled(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along a side, each sharing `overlap` with the next; the last ends where the side
    does."""
    if length <= tile:
        return [(0, length)]
    starts = [*range(0, length - tile, tile - overlap), length - tile]
    return [(start, start + tile) for start in starts]
