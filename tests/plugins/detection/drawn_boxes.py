"""Drawn batches of encoded targets and of what a head might say."""

import numpy as np

from headstart_plugins.detection._decode import Limits
from headstart_plugins.detection._loss import LossWeights
from headstart_plugins.detection._task import Detection

SIZE = (64, 96)
FACTS = dict(height=128, width=176, input_height=64, input_width=96, scale_x=0.5, scale_y=0.5, offset_x=4, offset_y=0)
CLASSES = ("ant", "bee", "cow")


def task(**more):
    settings = {"classes": CLASSES, "most": 6, "size": SIZE}
    settings |= {"limits": Limits(0.05, 0.6, 100), "weights": LossWeights(2.0, 0.25)}
    return Detection(**(settings | more))


def drawn(seed, rows=3):
    """Targets and outputs: large and small boxes, one between all centres, crowds, difficult ones; a picture without
    any."""
    random = np.random.default_rng(seed)
    extent = np.array([SIZE[1], SIZE[0]])
    boxes = np.zeros((rows, 6, 4))
    for row in range(rows):
        wide = random.uniform(0.05, 0.7, (6, 2))
        low = random.uniform(0, 1, (6, 2)) * (1 - wide)
        boxes[row] = np.concatenate([low, low + wide], axis=1)
    boxes[0, 1] = np.array([41.0, 33.0, 43.5, 35.0]) / np.tile(extent, 2)  # holds no centre
    valid = random.random((rows, 6)) < 0.8
    valid[0], valid[-1] = True, False
    targets = {
        "boxes": (boxes * valid[..., None]).astype(np.float32),
        "classes": random.integers(0, 3, (rows, 6)).astype(np.int32) * valid,
        "valid": valid,
        "crowd": valid & (random.random((rows, 6)) < 0.15),
        "difficult": valid & (random.random((rows, 6)) < 0.15),
        "size": np.array([SIZE] * rows, np.int32),
    }
    outputs = {
        "classes": random.normal(-1, 2, (rows, 126, 3)).astype(np.float32),
        "sides": random.normal(0, 2, (rows, 126, 4, 11)).astype(np.float32),
    }
    outputs["sides"][..., :4] += 2  # boxes of a few strides, as those that are drawn
    return targets, outputs
