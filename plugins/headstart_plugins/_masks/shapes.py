"""Polygons and run lengths to masks, to the pixel as COCO's own tools have them.

Checked against pycocotools 2.0.11 (`maskApi.c`: rleFrPoly, rleFrString), whose rounding this follows: edges are drawn
on a grid five times as fine, and a pixel of a column is inside by how often these are crossed above its middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

FINER = 5
"""How much finer the grid is that edges are drawn on."""
LEAST_POINTS = 3
FARTHEST = 10
"""So many times the picture's longer side, and ten pixels more, points can lie outside: edges take memory by length."""
MOST_BITS = 40
"""No run of a picture is longer than a number of so many bits."""


def polygon_mask(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Which pixels (height, width) bool lie in a polygon of `points` (point, 2) x and y in pixels; (0, 0) is a corner.

    What sticks out is cut off. Of a polygon that crosses itself, what is inside an odd number of times. Raises
    ValueError as `verify_points`.
    """
    verify_points(points, width, height)
    # Whole numbers towards zero, as C has them.
    starts = np.trunc(FINER * np.asarray(points, np.float64) + 0.5).astype(np.int64)
    across, down = _along(starts, np.roll(starts, -1, 0)).T
    moved = np.flatnonzero(across[1:] != across[:-1]) + 1
    columns = (np.minimum(across[moved], across[moved - 1]) + 0.5) / FINER - 0.5
    rows = np.ceil(np.clip((np.minimum(down[moved], down[moved - 1]) + 0.5) / FINER - 0.5, 0, height))
    kept = (columns == np.floor(columns)) & (columns >= 0) & (columns <= width - 1)
    crossed = (columns[kept] * height + rows[kept]).astype(np.int64)
    crossings = np.bincount(crossed, minlength=width * height + 1)[: width * height]
    inside: np.ndarray = (np.cumsum(crossings) % 2 == 1).reshape(width, height).T
    return inside


def verify_points(points: np.ndarray, width: int, height: int) -> None:
    """Raise ValueError for a polygon of `points` (point, 2) that reaches FARTHEST outside of its picture, as no drawing
    does, or is not finite."""
    limit = FARTHEST * (max(width, height) + 10)
    far = points[~(np.abs(points) <= limit).all(1)]
    if len(far):
        raise ValueError(
            f"a polygon with the point {far[0].tolist()}, far outside of its picture of {width} x {height} pixels"
        )


def _along(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The points (step, 2) on the fine grid of edges from `starts` to `ends` (edge, 2), one after the other: one for
    each step along the longer side, both ends included. An edge that is drawn backwards has the points of the same edge
    drawn forwards."""
    far = np.abs(ends - starts)
    longer = np.where(far[:, 0] >= far[:, 1], 0, 1)
    edges = np.arange(len(starts))
    flip = starts[edges, longer] > ends[edges, longer]
    low, high = np.where(flip[:, None], ends, starts), np.where(flip[:, None], starts, ends)
    length = far[edges, longer]
    slope = (high - low)[edges, 1 - longer] / np.maximum(length, 1)
    edge = np.repeat(edges, length + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(length + 1) - (length + 1), length + 1)
    step = np.where(flip[edge], length[edge] - step, step)
    points = np.empty((len(edge), 2), np.int64)
    row = np.arange(len(edge))
    points[row, longer[edge]] = low[edge, longer[edge]] + step
    points[row, 1 - longer[edge]] = np.trunc(low[edge, 1 - longer[edge]] + slope[edge] * step + 0.5).astype(np.int64)
    return points


def run_lengths(counts: Any) -> np.ndarray:
    """Run lengths (run,) int64, of nothing and of the object in turn, from a list or COCO's compressed text.

    Raises ValueError for what is neither.
    """
    if isinstance(counts, bytes):
        counts = counts.decode("ascii")
    if isinstance(counts, str):
        return np.array(_decompressed(counts), np.int64)
    found = np.asarray(counts)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise ValueError("counts are no list of whole numbers and no text")
    return found.astype(np.int64)


def _decompressed(text: str) -> list[int]:
    """Numbers of 5 bits a letter, the lowest first, each from the third on without the one before the last."""
    found: list[int] = []
    place = 0
    while place < len(text):
        number = shift = 0
        more = True
        while more and shift <= MOST_BITS:
            if place >= len(text):
                raise ValueError("its compressed counts end in the middle of a number")
            code = ord(text[place]) - 48
            if not 0 <= code < 64:
                raise ValueError(f"its compressed counts have {text[place]!r} in them")
            number |= (code & 0x1F) << shift
            more = bool(code & 0x20)
            place, shift = place + 1, shift + 5
            if not more and code & 0x10:
                number |= -1 << shift
        found.append(number + found[-2] if len(found) > 2 else number)
        if more or abs(found[-1]) >> MOST_BITS:
            raise ValueError("its compressed counts have a number that is no run of a picture")
    return found


def verify_runs(counts: np.ndarray, width: int, height: int) -> None:
    """Raise ValueError where `counts` (run,) int64 are not the runs of so many pixels."""
    if (counts < 0).any() or (counts > width * height).any() or counts.sum() != width * height:
        told = f"{counts.sum()}, the shortest of them {counts.min(initial=width * height)}"
        raise ValueError(f"its runs sum up to {told}; expected {width} x {height} pixels, none below 0")


def run_length_mask(counts: np.ndarray, width: int, height: int) -> np.ndarray:
    """The pixels (height, width) bool of `counts` (run,), which go down the columns. Raises ValueError as
    `verify_runs`."""
    verify_runs(counts, width, height)
    inside: np.ndarray = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T
    return inside


def painted(pixels: Sequence[np.ndarray], places: Sequence[int], ground: np.ndarray) -> np.ndarray:
    """`ground` (height, width) uint8 with the `pixels` (height, width) bool of each shape at its place on top: of those
    that overlap the smaller one, by its pixels, and of equal ones the later."""
    made = ground.copy()
    order = sorted(range(len(pixels)), key=lambda number: (-int(pixels[number].sum()), number))
    for number in order:
        made[pixels[number]] = places[number]
    return made
