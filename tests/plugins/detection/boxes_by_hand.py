"""The assignment and the loss once more, cell by cell in float64, written from their definitions."""

import math

import numpy as np

STRIDES, STEPS, TOP = (8, 16, 32), 11, 13


def cells(height, width):
    """(x, y, stride) of each cell."""
    return [
        ((column + 0.5) * stride, (row + 0.5) * stride, stride)
        for stride in STRIDES
        for row in range(math.ceil(height / stride))
        for column in range(math.ceil(width / stride))
    ]


def box_of(sides, cell):
    """The expected box of logits (4, STEPS)."""
    away = []
    for logits in np.asarray(sides, np.float64):
        weights = np.exp(logits - logits.max())
        away.append(sum(step * weight for step, weight in enumerate(weights)) / weights.sum() * cell[2])
    return (cell[0] - away[0], cell[1] - away[1], cell[0] + away[2], cell[1] + away[3])


def area(box):
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def shared(one, other):
    return area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))


def iou(one, other):
    return shared(one, other) / (area(one) + area(other) - shared(one, other))


def giou(one, other):
    hull = area((min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])))
    union = area(one) + area(other) - shared(one, other)
    return shared(one, other) / union - (hull - union) / hull


def is_inside(cell, box):
    return box[0] < cell[0] < box[2] and box[1] < cell[1] < box[3]


def assign(boxes, classes, logits, predicted, grid):
    """The box of each cell of `grid` (or None), of one picture; `boxes` maps its place to its corners."""
    taken = [[] for _ in grid]
    for place, box in boxes.items():
        choice = [number for number, cell in enumerate(grid) if is_inside(cell, box)]
        if not choice:
            column, row = ((box[side] + box[side + 2]) / 2 // 8 for side in (0, 1))
            choice = [number for number, cell in enumerate(grid) if cell == (column * 8 + 4, row * 8 + 4, 8)]
        ranked = []
        for number in choice:
            sure = -math.log1p(math.exp(-float(logits[number][classes[place]])))
            aligned = sure + 6 * math.log(max(iou(predicted[number], box), 1e-6))
            ranked.append((-math.floor((max(aligned, -128) + 128) * 1024), number))
        for _, number in sorted(ranked)[:TOP]:
            taken[number].append(place)
    return [
        min(places, key=lambda place: (-math.floor(iou(predicted[number], boxes[place]) * 4096), place), default=None)
        for number, places in enumerate(taken)
    ]


def class_loss(logit, quality):
    score = 1 / (1 + math.exp(-float(logit)))
    entropy = -quality * math.log(score) - (1 - quality) * math.log(1 - score)
    return abs(quality - score) ** 2 * entropy


def box_loss(sides, box, cell, weights):
    """GIoU loss and distribution focal loss of one cell."""
    x, y, stride = cell
    loss = weights[0] * (1 - giou(box_of(sides, cell), box))
    for logits, away in zip(
        np.asarray(sides, np.float64), (x - box[0], y - box[1], box[2] - x, box[3] - y), strict=True
    ):
        true = min(max(away / stride, 0.0), STEPS - 1.0)
        below = min(int(true), STEPS - 2)
        logs = logits - logits.max() - math.log(np.exp(logits - logits.max()).sum())
        loss -= weights[1] / 4 * ((below + 1 - true) * logs[below] + (true - below) * logs[below + 1])
    return loss


def true_boxes(targets, row, size):
    """The corners of each valid box by its place."""
    extent = np.array([size[1], size[0]] * 2)
    return {
        int(place): tuple(targets["boxes"][row][place].astype(np.float64) * extent)
        for place in np.flatnonzero(targets["valid"][row])
    }


def owners_of(targets, outputs, row, size):
    """The box of each cell of a row (or None), crowds and difficult boxes left out."""
    grid = cells(*size)
    predicted = [box_of(each, cell) for each, cell in zip(outputs["sides"][row], grid, strict=True)]
    is_region = targets["crowd"][row] | targets["difficult"][row]
    objects = {place: box for place, box in true_boxes(targets, row, size).items() if not is_region[place]}
    return assign(objects, targets["classes"][row], outputs["classes"][row], predicted, grid)


def loss_and_gradients(targets, outputs, row, size, weights=(2.0, 0.25)):
    """The loss of a row, and its gradients by the class logits and by the side logits.

    Gradients are central differences of the one cell that a logit belongs to; the assignment and the quality that a
    score learns are constants.
    """
    grid = cells(*size)
    logits, sides = outputs["classes"][row].astype(np.float64), outputs["sides"][row].astype(np.float64)
    predicted = [box_of(each, cell) for each, cell in zip(sides, grid, strict=True)]
    classes, corners = targets["classes"][row], true_boxes(targets, row, size)
    is_region = targets["crowd"][row] | targets["difficult"][row]
    owners = owners_of(targets, outputs, row, size)
    count = max(1, sum(owner is not None for owner in owners))
    loss, by_logit, by_side = 0.0, np.zeros_like(logits), np.zeros_like(sides)
    for number, (cell, owner) in enumerate(zip(grid, owners, strict=True)):
        for kind, logit in enumerate(logits[number]):
            own = owner is not None and classes[owner] == kind
            quality = iou(predicted[number], corners[owner]) if own else 0.0
            if owner is None and any(
                is_region[place] and classes[place] == kind and is_inside(cell, box) for place, box in corners.items()
            ):
                continue
            loss += class_loss(logit, quality)
            by_logit[number, kind] = (class_loss(logit + 1e-5, quality) - class_loss(logit - 1e-5, quality)) / 2e-5
        if owner is None:
            continue
        loss += box_loss(sides[number], corners[owner], cell, weights)
        for place in np.ndindex(4, STEPS):
            ends = []
            for step in (1e-5, -1e-5):
                moved = sides[number].copy()
                moved[place] += step
                ends.append(box_loss(moved, corners[owner], cell, weights))
            by_side[(number, *place)] = (ends[0] - ends[1]) / 2e-5
    return loss / count, by_logit / count, by_side / count
