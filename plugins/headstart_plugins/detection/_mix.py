"""Boxes of samples that are mixed: those of all samples, as far as they can still be seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.specs import Batch, Mix
from headstart_plugins._marks import Outline

LEFT = 0.25
"""The share of a box's area that must be left of it where others cover it, or it is cut off: else it is no target."""
FAINTEST = 0.2
"""The share that a picture must have in an average, or its boxes are no targets."""
MOVED = ("boxes", "classes", "valid", "crowd", "difficult")
"""What is joined, by the place of each box; all else (the truth in pixels of one picture) stays the sample's own."""
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Seen:
    """Where a sample is seen in a mixture: `cells` (row, column) bool between `xs` (column + 1,) and `ys` (row + 1,),
    shares of the width and height; and its weight, 1 where it is not averaged with others."""

    xs: np.ndarray
    ys: np.ndarray
    cells: np.ndarray
    weight: float


def join(targets: Batch, partners: Sequence[Batch], mixes: Sequence[Sequence[Mix]]) -> dict[str, np.ndarray]:
    """The boxes of mixed samples, see `headstart.specs.JoinsTargets`: encoded targets (batch, most, ...) as the task
    has them, `boxes` in shares of the input tensor.

    Where a mix has a region, which is a box of the image kind, a partner is seen inside of it alone and hides what was
    there. A box becomes the smallest one around what is seen of it; one of which less than `LEFT` of its area is seen
    is left out. Without a region both pictures shine through: the boxes of both are targets, but for those of a picture
    whose share is below `FAINTEST`. The sample's own come first, then those of its partners, as many as there is room
    for; the array keeps its length.
    """
    made = {name: np.array(array) for name, array in targets.items()}
    most = targets["boxes"].shape[1]
    for row, steps in enumerate(mixes):
        if not steps:
            continue
        rows = [_only(each, row) for each in (targets, *partners[: len(steps)])]
        kept = [_seen_of(own, seen) for own, seen in zip(rows, _seen(steps), strict=True)]
        for name in MOVED:
            joined = np.concatenate([each[name] for each in kept])[:most]
            made[name][row] = 0
            made[name][row, : len(joined)] = joined
    return made


def _only(batch: Batch, row: int) -> dict[str, np.ndarray]:
    return {name: batch[name][row] for name in MOVED}


def _seen_of(own: Mapping[str, np.ndarray], seen: _Seen) -> dict[str, np.ndarray]:
    """Of one sample's boxes (most, ...) those that are still targets, cut."""
    boxes, areas = cut_to(own["boxes"], seen.xs, seen.ys, seen.cells)
    sides = own["boxes"][:, 2:] - own["boxes"][:, :2]
    whole = sides.prod(axis=1, dtype=np.float64)
    kept = own["valid"] & (areas > 0) & (areas >= LEFT * whole * (1 - 1e-6)) & (seen.weight >= FAINTEST)
    return {name: (boxes if name == "boxes" else own[name])[kept] for name in MOVED}


def cut_to(boxes: np.ndarray, xs: np.ndarray, ys: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`boxes` (box, 4), left, top, right, bottom, cut to the smallest ones around what lies in the `cells` (row,
    column) bool that edges `xs` (column + 1,) and `ys` (row + 1,) make; and the area (box,) float64 that does."""
    left, top, right, bottom = boxes.astype(np.float64).T[:, :, None]
    lefts, rights = np.maximum(left, xs[:-1]), np.minimum(right, xs[1:])
    tops, bottoms = np.maximum(top, ys[:-1]), np.minimum(bottom, ys[1:])
    wide, tall = np.clip(rights - lefts, 0, None), np.clip(bottoms - tops, 0, None)
    areas = np.einsum("br,rc,bc->b", tall, cells.astype(np.float64), wide)
    columns = (wide > 0) & ((tall > 0) @ cells)
    rows = (tall > 0) & ((wide > 0) @ cells.T)
    cut = np.stack(
        [
            np.where(columns, lefts, np.inf).min(axis=1),
            np.where(rows, tops, np.inf).min(axis=1),
            np.where(columns, rights, -np.inf).max(axis=1),
            np.where(rows, bottoms, -np.inf).max(axis=1),
        ],
        axis=1,
    )
    return np.where(areas[:, None] > 0, cut, 0.0).astype(boxes.dtype), areas


def _seen(steps: Sequence[Mix]) -> list[_Seen]:
    """Where the sample is seen, then each partner."""
    regions = [None if step.region is None else _as_shares(step.region) for step in steps]
    boxes = [each for each in regions if each is not None]
    xs = np.unique(np.clip([0.0, 1.0, *(edge for box in boxes for edge in box[::2])], 0, 1))
    ys = np.unique(np.clip([0.0, 1.0, *(edge for box in boxes for edge in box[1::2])], 0, 1))
    seen = [np.ones((len(ys) - 1, len(xs) - 1), np.bool_)]
    weights = [1.0]
    for step, region in zip(steps, regions, strict=True):
        if region is None:
            weights = [*(weight * step.share for weight in weights), 1 - step.share]
            seen.append(np.ones_like(seen[0]))
            continue
        left, top, right, bottom = region
        columns = (xs[:-1] >= left - 1e-9) & (xs[1:] <= right + 1e-9)
        inside = np.outer((ys[:-1] >= top - 1e-9) & (ys[1:] <= bottom + 1e-9), columns)
        seen = [*(each & ~inside for each in seen), inside]
        weights.append(1.0)
    return [_Seen(xs, ys, cells, weight) for cells, weight in zip(seen, weights, strict=True)]


def _as_shares(region: Box) -> Box:
    """The image kind's box, from -0.5 to 0.5, as shares from 0 to 1."""
    left, top, right, bottom = (edge + 0.5 for edge in region)
    return left, top, right, bottom


def outlines(targets: Batch, classes: Sequence[str]) -> list[tuple[Outline, ...]]:
    """The valid boxes of each row with the names of their classes, see `headstart.specs.MarksTargets`; a region of many
    objects is marked as such."""
    return [tuple(_outlines(_only(targets, row), classes)) for row in range(len(targets["boxes"]))]


def _outlines(own: Mapping[str, np.ndarray], classes: Sequence[str]) -> Iterable[Outline]:
    for place in np.flatnonzero(own["valid"]):
        left, top, right, bottom = own["boxes"][place].tolist()
        number = int(own["classes"][place])
        text = f"{classes[number]} (crowd)" if own["crowd"][place] else classes[number]
        yield Outline((left, top, right, bottom), text, number)
