"""Drawn masks and logits, a task for them, and the same numbers again by loops over pixels in float64."""

from __future__ import annotations

import numpy as np

from headstart.specs import TaskRequest, TensorSpec
from headstart_plugins._mask import VOID, Mask
from headstart_plugins.segmentation import SegmentationOptions
from headstart_plugins.segmentation._task import build

NAMES = ("ground", "ant", "bee", "cow")
SIZE = (32, 48)
INPUTS = {"image": TensorSpec((*SIZE, 3), "uint8")}
FACTS = dict(height=70, width=88, input_height=32, input_width=48, scale_x=0.5, scale_y=0.4, offset_x=2, offset_y=2)
"""A picture that lies in the input between 2 and 46 across, and 2 and 30 down."""


def task(*, names=NAMES, colours=None, **options):
    value = Mask(np.zeros((1, 1), np.uint8), tuple(names), colours)
    return build(TaskRequest(SegmentationOptions(**options), targets=[value], inputs=INPUTS))


def blobs(random, shape, classes, *, void=0.0, coarse=6):
    """A mask of patches; some pixels are void."""
    small = random.integers(0, classes, [-(-side // coarse) for side in shape])
    mask = small.repeat(coarse, 0).repeat(coarse, 1)[: shape[0], : shape[1]].astype(np.uint8)
    mask[random.random(shape) < void] = VOID
    return mask


def logits(random, rows, cells=(4, 6), classes=4, spread=3.0):
    return random.normal(0, spread, (rows, *cells, classes)).astype(np.float32)


def at(cells, place):
    """The two of `cells` beside a place that is counted in cells, and the share of the second."""
    along = min(max(place - 0.5, 0.0), cells - 1.0)
    low = int(np.floor(along))
    return low, min(low + 1, cells - 1), along - low


def interpolated(values, down, across):
    """`values` (row, column, class) at places `down` and `across`, counted in cells: (place, place, class) float64."""
    found = np.zeros((len(down), len(across), values.shape[2]))
    values = values.astype(np.float64)
    for row, y in enumerate(down):
        top, bottom, q = at(values.shape[0], y)
        for column, x in enumerate(across):
            left, right, p = at(values.shape[1], x)
            above = (1 - p) * values[top, left] + p * values[top, right]
            below = (1 - p) * values[bottom, left] + p * values[bottom, right]
            found[row, column] = (1 - q) * above + q * below
    return found


def on_input(values, size=SIZE):
    """`values` (row, column, class) at the middles of an input's pixels."""
    places = (
        [(pixel + 0.5) * cells / side for pixel in range(side)] for cells, side in zip(values.shape, size, strict=False)
    )
    return interpolated(values, *places)


def on_picture(values, facts):
    """`values` (row, column, class) at the middles of a picture's pixels."""
    down = [(y + 0.5) * facts["scale_y"] + facts["offset_y"] for y in range(facts["height"])]
    across = [(x + 0.5) * facts["scale_x"] + facts["offset_x"] for x in range(facts["width"])]
    height, width = facts["input_height"], facts["input_width"]
    return interpolated(
        values, [y * values.shape[0] / height for y in down], [x * values.shape[1] / width for x in across]
    )


def probabilities(values):
    """Softmax (class,) of logits (class,)."""
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def losses_by_hand(mask, values, name, *, gamma=2.0, weights=None):
    """The loss of one picture: its mask (height, width) and logits (row, column, class), pixel by pixel."""
    large = on_input(values, mask.shape)
    classes = values.shape[2]
    costs, shared, given, true = [], np.zeros(classes), np.zeros(classes), np.zeros(classes)
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            kind = mask[row, column]
            if kind == VOID:
                continue
            shares = probabilities(large[row, column])
            weight = 1.0 if weights is None else weights[kind]
            turned = (1 - shares[kind]) ** gamma if name == "focal" else 1.0
            costs.append(-weight * turned * np.log(shares[kind]))
            shared[kind] += shares[kind]
            given += shares
            true[kind] += 1
    if not costs:
        return 0.0
    dice = np.mean([1 - 2 * shared[kind] / (given[kind] + true[kind]) for kind in range(classes) if true[kind]])
    mean = np.mean(costs)
    return {"dice": dice, "cross_entropy+dice": mean + dice}.get(name, mean)
