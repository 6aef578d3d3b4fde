"""Which cell learns which box: the task-aligned assignment, on backend tensors of static shapes."""

from __future__ import annotations

from typing import Any, NamedTuple

from headstart_plugins.detection._grid import STRIDES, Cells, map_shapes

TOP = 13
ALPHA, BETA = 1.0, 6.0
SMALL = 1e-6
"""What an intersection over union is taken for where it is smaller."""
LOWEST = 128
"""Nats below 0 at which an alignment cannot be told from smaller ones."""
LEVELS = 1024
"""Steps a nat of an alignment, fewer for more than 16,383 cells: sort keys are int32."""
OVERLAP_LEVELS = 4096


class Assigned(NamedTuple):
    """For each cell (batch, position): the place of its box among the picture's, int32, 0 where it has none; whether it
    has one; and the intersection over union, float32, of what it predicts with that."""

    owner: Any
    positive: Any
    overlap: Any


def pair_overlaps(one: Any, other: Any) -> Any:
    """Intersection over union of boxes (..., 4), backend tensors that broadcast: (...)."""
    from keras import ops

    left, top, right, bottom = (one[..., side] for side in range(4))
    left_2, top_2, right_2, bottom_2 = (other[..., side] for side in range(4))
    wide = ops.relu(ops.minimum(right, right_2) - ops.maximum(left, left_2))
    high = ops.relu(ops.minimum(bottom, bottom_2) - ops.maximum(top, top_2))
    shared = wide * high
    union = (right - left) * (bottom - top) + (right_2 - left_2) * (bottom_2 - top_2) - shared
    return shared / ops.maximum(union, 1e-9)


def inside(corners: Any, cells: Cells) -> Any:
    """Whether the centre of each cell lies in each box (batch, box, 4), not on its border: (batch, box, position)."""
    from keras import ops

    x, y = (ops.convert_to_tensor(cells.centres[:, axis]) for axis in (0, 1))
    across = ops.logical_and(x > corners[..., 0:1], x < corners[..., 2:3])
    return ops.logical_and(across, ops.logical_and(y > corners[..., 1:2], y < corners[..., 3:4]))


def assign(corners: Any, classes: Any, objects: Any, *, logits: Any, predicted: Any, cells: Cells) -> Assigned:
    """Boxes to cells by Feng et al. 2021 (TOOD, arXiv:2108.07755, section 3.2), the same on every backend.

    `corners` (batch, box, 4) in pixels of the input, `classes` (batch, box) int32, `objects` (batch, box) bool: the
    boxes to assign; `logits` (batch, position, class) and `predicted` (batch, position, 4) as the head has them.

    A box takes the TOP cells of highest alignment, score ** ALPHA * overlap ** BETA, among those whose centre lies in
    it. Where none does, it has the one cell of the finest map that its own centre lies in. A cell that several boxes
    take goes to that of highest overlap. Alignments of one 1 / LEVELS of a nat, and overlaps of one 1 / OVERLAP_LEVELS,
    count as equal: then the first cell, and the first box, comes first. So rounding, which differs between backends,
    decides only at the edge of such a step.
    """
    from keras import ops

    boxes, positions = corners.shape[1], len(cells.strides)
    allowed = inside(corners, cells)
    allowed = ops.where(ops.any(allowed, axis=-1, keepdims=True), allowed, _home(corners, cells))
    allowed = ops.logical_and(allowed, objects[..., None])

    overlap = pair_overlaps(corners[:, :, None, :], predicted[:, None, :, :])
    places = ops.broadcast_to(classes[..., None], (*classes.shape, positions))
    scores = ops.take_along_axis(ops.transpose(logits, (0, 2, 1)), places, axis=1)
    alignment = ALPHA * -ops.softplus(-scores) + BETA * ops.log(ops.maximum(overlap, SMALL))

    levels = min(LEVELS, (2**31 - positions) // (LOWEST * positions))
    steps = ops.cast(ops.floor((ops.clip(alignment, -LOWEST, 0.0) + LOWEST) * levels), "int32")
    keys = steps * positions + (positions - 1 - ops.arange(positions, dtype="int32"))
    keys = ops.where(allowed, keys, -1)
    last = ops.top_k(keys, min(TOP, positions))[0][..., -1:]
    taken = ops.logical_and(allowed, keys >= last)

    order = boxes - 1 - ops.arange(boxes, dtype="int32")[:, None]
    ranks = ops.cast(ops.floor(overlap * OVERLAP_LEVELS), "int32") * boxes + order
    ranks = ops.where(taken, ranks, -1)
    positive = ops.any(taken, axis=1)
    owner = ops.where(positive, ops.cast(ops.argmax(ranks, axis=1), "int32"), 0)
    own = ops.take_along_axis(overlap, owner[:, None, :], axis=1)[:, 0]
    return Assigned(owner, positive, ops.where(positive, own, 0.0))


def _home(corners: Any, cells: Cells) -> Any:
    """Whether a cell is the one of the finest map that a box's centre lies in: (batch, box, position)."""
    from keras import ops

    rows, columns = map_shapes(cells.size)[0]
    column = ops.clip(ops.floor((corners[..., 0] + corners[..., 2]) / (2 * STRIDES[0])), 0, columns - 1)
    row = ops.clip(ops.floor((corners[..., 1] + corners[..., 3]) / (2 * STRIDES[0])), 0, rows - 1)
    place = ops.cast(row * columns + column, "int32")
    return ops.equal(place[..., None], ops.arange(len(cells.strides), dtype="int32"))
