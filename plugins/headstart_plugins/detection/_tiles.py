"""Boxes of overlapping tiles as those of the whole picture: what two tiles both see is one thing; numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import PluginError
from headstart.specs import Batch, Facts
from headstart_plugins._boxes import Detections
from headstart_plugins.detection._grid import STRIDES, areas, overlaps

CORNERS, SCORES, CLASSES = "merged_corners", "merged_scores", "merged_classes"
"""What a merged picture is, beside a head's outputs: (1, box, 4) float64 in its pixels, (1, box) float64 and int64."""
NEAR = STRIDES[0]
"""A side is cut where it ends so near a seam, in pixels of the input: a cell of the finest map."""
TRUSTED = 0.5
"""What is less sure than this share of a piece of the same thing says nothing of where that lies: detectors give many
boxes with low scores around and between things."""


@dataclass(frozen=True)
class Pieces:
    """Boxes of several tiles, in pixels of the whole picture: `tiles` (box, 4), what the tile of each sees of that,
    and `cut` (box, 4) bool, the sides at which a seam cuts them."""

    corners: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    tiles: np.ndarray
    cut: np.ndarray


class TileMerger:
    """See `headstart.specs.Merger`; keeps the boxes of each tile, as `find` finds them in its outputs."""

    def __init__(self, find: Callable[[Batch, Sequence[Facts]], list[Detections]], overlap: float) -> None:
        self._find, self._overlap = find, overlap
        self._pieces: list[Pieces] = []

    def add(self, outputs: Batch, facts: Sequence[Facts]) -> None:
        """See `headstart.specs.Merger`. Raises PluginError where a fact does not say where the tile lies."""
        for found, fact in zip(self._find(outputs, facts), facts, strict=True):
            self._pieces.append(_pieces(found, fact))

    def merged(self) -> dict[str, np.ndarray]:
        """See `merge`; the surest first."""
        columns = zip(*(vars(each).values() for each in self._pieces), strict=True)
        found = merge(Pieces(*map(np.concatenate, columns)), self._overlap)
        return {CORNERS: found.corners[None], SCORES: found.scores[None], CLASSES: found.classes[None]}


def merged_detections(outputs: Batch, row: int) -> Detections:
    """What `TileMerger.merged` found."""
    return Detections(outputs[CORNERS][row], outputs[SCORES][row], outputs[CLASSES][row])


def _pieces(found: Detections, fact: Mapping[str, Any]) -> Pieces:
    """The boxes found in one tile, cut at its border."""
    if "tile" not in fact:
        raise PluginError(
            "the input kind does not tell where a tile lies in its picture, which boxes need",
            hint="leave predict.tile out, or tell the author of the input kind",
        )
    tile = np.array(fact["tile"], np.float64)
    corners = np.clip(found.corners, np.tile(tile[:2], 2), np.tile(tile[2:], 2))
    seen = np.all(corners[:, 2:] > corners[:, :2], axis=1)
    corners = corners[seen]
    seams = tile != np.array([0, 0, fact["width"], fact["height"]])
    near = NEAR / np.array([fact["scale_x"], fact["scale_y"]] * 2)
    cut = seams & (np.abs(corners - tile) < near)
    return Pieces(corners, found.scores[seen], found.classes[seen], np.broadcast_to(tile, corners.shape), cut)


def merge(pieces: Pieces, overlap: float) -> Detections:
    """Things from pieces, the surest first.

    Two boxes of one class, from two tiles, are of one thing where, in what both tiles see, their intersection over
    union is above `overlap`; or where a seam cuts one of them and more than that share of it lies in the other. Boxes
    that no seam cuts come before those that are cut, then the surer first: each takes all that are of one thing with
    it, and through those that are cut all cut ones that these are of one thing with. The thing has the highest of their
    scores; its box is the first one's, or where a seam cuts that, the smallest around all of them. Those whose score is
    below TRUSTED of that of one of the same thing come last and are taken; they make no box larger and bring no others.
    """
    count = len(pieces.scores)
    is_cut = np.asarray(pieces.cut.any(axis=1))
    beside = _neighbours(pieces)
    is_weak = np.zeros(count, bool)
    for piece in range(count):
        surer = beside(piece)
        surer = surer[
            (TRUSTED * pieces.scores[surer] > pieces.scores[piece]) & (pieces.classes[surer] == pieces.classes[piece])
        ]
        is_weak[piece] = len(surer) > 0 and bool(_are_same(pieces, piece, surer, overlap).any())
    order = np.lexsort((np.arange(count), -pieces.scores, is_cut, is_weak))
    left = np.ones(count, bool)
    corners, scores, kept = pieces.corners.copy(), pieces.scores.copy(), []
    for first in order.tolist():
        if not left[first]:
            continue
        left[first] = False
        kept.append(first)
        reached = [first]
        while reached:
            piece = reached.pop()
            others = beside(piece)
            others = others[left[others] & (pieces.classes[others] == pieces.classes[first])]
            others = others if piece == first else others[is_cut[others]]
            same = others[_are_same(pieces, piece, others, overlap)]
            left[same] = False
            trusted = same[~is_weak[same]]
            reached += trusted[is_cut[trusted]].tolist()
            scores[first] = pieces.scores[same].max(initial=scores[first])
            if is_cut[first]:
                part = pieces.corners[trusted]
                corners[first, :2] = part[:, :2].min(axis=0, initial=np.inf).clip(max=corners[first, :2])
                corners[first, 2:] = part[:, 2:].max(axis=0, initial=-np.inf).clip(min=corners[first, 2:])
    found = np.array(kept, np.int64)
    found = found[np.argsort(-scores[found], kind="stable")]
    return Detections(corners[found], scores[found], pieces.classes[found])


def _neighbours(pieces: Pieces) -> Callable[[int], np.ndarray]:
    """Of a box, the boxes of other tiles that see some of what its own sees."""
    tiles, of = np.unique(pieces.tiles, axis=0, return_inverse=True)
    of = of.reshape(-1)
    boxes = [np.flatnonzero(of == tile) for tile in range(len(tiles))]
    beside: dict[int, np.ndarray] = {}

    def found(box: int) -> np.ndarray:
        tile = int(of[box])
        if tile not in beside:
            meet = np.all((tiles[:, :2] < tiles[tile, 2:]) & (tiles[:, 2:] > tiles[tile, :2]), axis=1)
            meet[tile] = False
            beside[tile] = np.concatenate([np.zeros(0, np.int64), *(boxes[each] for each in np.flatnonzero(meet))])
        return beside[tile]

    return found


def _are_same(pieces: Pieces, box: int, others: np.ndarray, overlap: float) -> np.ndarray:
    """Whether each of the `others` is of one thing with `box`, see `merge`: (other,) bool."""
    low = np.maximum(pieces.tiles[box, :2], pieces.tiles[others, :2])
    high = np.minimum(pieces.tiles[box, 2:], pieces.tiles[others, 2:])
    both = np.concatenate([low, high], axis=1)
    own, theirs = (_within(each, both) for each in (pieces.corners[box], pieces.corners[others]))
    shared = overlaps(own, theirs)
    inside = shared / (1 + shared) * (areas(own) + areas(theirs))  # the intersection, of that over the union
    covered = np.zeros(len(others), bool)
    for part, is_cut in ((own, pieces.cut[box].any()), (theirs, pieces.cut[others].any(axis=1))):
        size = areas(part)
        covered |= is_cut & (size > 0) & (inside > overlap * size)
    return (shared > overlap) | covered


def _within(corners: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Boxes (..., 4) as far as they lie in `seen` (box, 4); without area where they do not."""
    low = np.clip(corners[..., :2], seen[:, :2], seen[:, 2:])
    return np.concatenate([low, np.clip(corners[..., 2:], low, seen[:, 2:])], axis=1)
