"""A mask laid over a picture, for sheets and for answers. No plugin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart_plugins._mask import VOID

STRENGTH = 0.5
"""The share of a class' colour inside of it; at its edges it stands alone."""
STRIPE = 6
"""Pixels from one stripe to the next where nothing is said."""
GREY = 128


def overlaid(pixels: np.ndarray, mask: np.ndarray, colours: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """`pixels` (height, width, 3) uint8 with the classes of `mask` (rows, columns) uint8 over them, as places in
    `colours`: half transparent, with edges in full colour, and grey stripes where it is VOID. A mask of another size is
    brought to that of the picture by the nearest pixel."""
    height, width = pixels.shape[:2]
    rows = (np.arange(height) + 0.5) * mask.shape[0] / height
    columns = (np.arange(width) + 0.5) * mask.shape[1] / width
    placed = mask[rows.astype(np.int64)][:, columns.astype(np.int64)]
    table = np.zeros((256, 3), np.float64)
    table[: len(colours)] = colours
    share = np.where(placed == VOID, 0.0, STRENGTH)
    share[_edges(placed)] = 1.0
    stripes = (np.add.outer(np.arange(height), np.arange(width)) % STRIPE == 0) & (placed == VOID)
    laid = table[placed]
    laid[placed == VOID] = GREY
    share[stripes] = 1.0
    found: np.ndarray = np.rint(pixels + share[..., None] * (laid - pixels)).astype(np.uint8)
    return found


def _edges(mask: np.ndarray) -> np.ndarray:
    """The pixels (row, column) bool of a class that touch, below or at their right, one of another."""
    found = np.zeros(mask.shape, bool)
    found[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    found[:-1] |= mask[:-1] != mask[1:]
    return found
