"""What a head's answer costs: quality focal loss, GIoU and distribution focal loss, on backend tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart_plugins.detection._assign import Assigned, assign, inside
from headstart_plugins.detection._grid import STEPS, Cells


@dataclass(frozen=True)
class LossWeights:
    """What the parts for boxes weigh beside that for classes."""

    boxes: float
    sides: float


def detection_loss(targets: Mapping[str, Any], outputs: Mapping[str, Any], cells: Cells, weights: LossWeights) -> Any:
    """(batch,) float32: losses of encoded `targets` and a head's `outputs`, see `Detection`.

    Li et al. 2020 (GFL, arXiv:2006.04388), equations 5 to 8, without their weighing by quality: the sum over all cells
    and classes of the quality focal loss, and over the cells with a box of GIoU loss and distribution focal loss (mean
    of the four sides), each over the number of cells with a box in this picture, at least 1. So every picture weighs
    the same. The quality that a score learns is the intersection over union of the cell's box with its own.

    Crowds and difficult boxes are no objects: no cell learns them. A cell whose centre lies in one, and that has no box
    of its own, neither learns nor forgets their class.
    """
    from keras import ops

    targets = _without_unused_rows(targets)
    logits, sides = (ops.cast(outputs[name], "float32") for name in ("classes", "sides"))
    corners = ops.cast(targets["boxes"], "float32") * ops.convert_to_tensor(cells.extent)
    classes = ops.cast(targets["classes"], "int32")
    regions = ops.logical_and(targets["valid"], ops.logical_or(targets["crowd"], targets["difficult"]))
    objects = ops.logical_and(targets["valid"], ops.logical_not(regions))
    steps, weight = _expected_steps(sides)
    predicted = _boxes(steps, cells)
    found = assign(
        corners,
        classes,
        objects,
        logits=ops.stop_gradient(logits),
        predicted=ops.stop_gradient(predicted),
        cells=cells,
    )
    positive = ops.cast(found.positive, "float32")
    count = ops.maximum(ops.sum(positive, axis=1), 1.0)

    learns = 1.0 - _ignored(corners, classes, regions, found=found, cells=cells, count=logits.shape[-1])
    own = ops.take_along_axis(classes, found.owner, axis=1)
    quality = ops.one_hot(own, logits.shape[-1], dtype="float32") * ops.stop_gradient(found.overlap)[..., None]
    focal = ops.square(quality - ops.sigmoid(logits)) * (ops.softplus(logits) - logits * quality)
    loss = ops.sum(focal * learns, axis=(1, 2))

    wanted = ops.take_along_axis(corners, ops.repeat(found.owner[..., None], 4, axis=-1), axis=1)
    # Cells without a box compare what they predict with itself: 0, and no gradient that could be infinite.
    wanted = ops.where(found.positive[..., None], wanted, ops.stop_gradient(predicted))
    loss = loss + weights.boxes * ops.sum((1.0 - giou(predicted, wanted)) * positive, axis=1)
    loss = loss + weights.sides * ops.sum(_side_loss(sides, weight, wanted, cells) * positive, axis=1)
    return loss / count


def boxes_of(sides: Any, cells: Cells) -> Any:
    """The boxes (batch, position, 4) in pixels of the input that logits `sides` (batch, position, 4, STEPS) expect."""
    return _boxes(_expected_steps(sides)[0], cells)


def _without_unused_rows(targets: Mapping[str, Any]) -> Mapping[str, Any]:
    """`targets` without the last rows that no picture of the batch has a box in, where shapes may differ from batch to
    batch and reading them waits for no device: what is computed of each box and cell is most of the loss, and few
    pictures are the fullest."""
    from keras import backend, ops

    if backend.backend() != "torch" or targets["valid"].device.type != "cpu":
        return targets
    used = np.flatnonzero(ops.convert_to_numpy(ops.any(targets["valid"], axis=0)))
    rows = 1 + int(used.max(initial=0))
    return {name: targets[name][:, :rows] for name in ("boxes", "classes", "valid", "crowd", "difficult")}


def _expected_steps(sides: Any) -> tuple[Any, Any]:
    """Of logits (..., STEPS) the expected step (...), and the logarithm of the sum of their exponentials (...).

    Both of one exponential: a softmax and its logarithm would take two, over every cell.
    """
    from keras import ops

    largest = ops.stop_gradient(ops.max(sides, axis=-1, keepdims=True))
    weights = ops.exp(sides - largest)
    total = ops.sum(weights, axis=-1)
    steps = ops.sum(weights * ops.arange(STEPS, dtype="float32"), axis=-1) / total
    return steps, ops.log(total) + largest[..., 0]


def _boxes(steps: Any, cells: Cells) -> Any:
    """Boxes (batch, position, 4) in pixels of the input, of the distances of their sides (batch, position, 4)."""
    from keras import ops

    x, y = (ops.convert_to_tensor(cells.centres[:, axis]) for axis in (0, 1))
    away = steps * ops.convert_to_tensor(cells.strides[:, None])
    return ops.stack([x - away[..., 0], y - away[..., 1], x + away[..., 2], y + away[..., 3]], axis=-1)


def giou(one: Any, other: Any) -> Any:
    """The generalised intersection over union (Rezatofighi et al. 2019, arXiv:1902.09630) of boxes (..., 4): (...)."""
    from keras import ops

    def area(low_x: Any, low_y: Any, high_x: Any, high_y: Any) -> Any:
        return ops.relu(high_x - low_x) * ops.relu(high_y - low_y)

    left, top, right, bottom = (one[..., side] for side in range(4))
    left_2, top_2, right_2, bottom_2 = (other[..., side] for side in range(4))
    low, high = ops.minimum, ops.maximum
    shared = area(high(left, left_2), high(top, top_2), low(right, right_2), low(bottom, bottom_2))
    union = area(left, top, right, bottom) + area(left_2, top_2, right_2, bottom_2) - shared
    hull = area(low(left, left_2), low(top, top_2), high(right, right_2), high(bottom, bottom_2))
    union, hull = high(union, 1e-9), high(hull, 1e-9)
    return shared / union - (hull - union) / hull


def _side_loss(sides: Any, weight: Any, wanted: Any, cells: Cells) -> Any:
    """Distribution focal loss (batch, position), the mean of the sides: cross-entropy with the two places beside the
    true distance, each the more the nearer. Distances beyond the last place count as that. `weight` (batch, position,
    4) is the logarithm of the sum of exponentials of `sides`."""
    from keras import ops

    x, y = (ops.convert_to_tensor(cells.centres[:, axis]) for axis in (0, 1))
    away = ops.stack([x - wanted[..., 0], y - wanted[..., 1], wanted[..., 2] - x, wanted[..., 3] - y], axis=-1)
    steps = ops.clip(away / ops.convert_to_tensor(cells.strides[:, None]), 0.0, STEPS - 1.0)
    shares = ops.relu(1.0 - ops.abs(ops.arange(STEPS, dtype="float32") - steps[..., None]))  # 1 together
    return ops.mean(weight - ops.sum(shares * sides, axis=-1), axis=-1)


def _ignored(corners: Any, classes: Any, regions: Any, *, found: Assigned, cells: Cells, count: int) -> Any:
    """1 where a cell learns nothing of a class of `count`, 0 elsewhere: (batch, position, class) float32."""
    from keras import ops

    covered = ops.cast(ops.logical_and(inside(corners, cells), regions[..., None]), "float32")
    kinds = ops.one_hot(classes, count, dtype="float32")
    beneath = ops.matmul(ops.transpose(covered, (0, 2, 1)), kinds)
    free = ops.cast(ops.logical_not(found.positive), "float32")
    return ops.cast(beneath > 0.5, "float32") * free[..., None]
