"""The task `detect`: on a grid of 8 x 8 cells, which kinds have a centre there, and how large their boxes are."""

from dataclasses import dataclass, field

import numpy as np

from headstart.specs import Evaluation, TensorSpec
from headstart_foreign._data import KINDS

GRID = 8
MOST = 40
BINS = 200
"""Steps of a score; detections of one step count as equally sure."""
OVERLAP = 0.3
"""Share of intersection over union from which a detection has found a box."""


def build(request):
    return Detect()


class Detect:
    """Targets are boxes (40, 4) as shares of width and height, classes (40,), valid (40,). Outputs are "heat"
    (batch, 8, 8, kind) logits and "size" (batch, 8, 8, 4): from the cell's centre to each side."""

    primary_metric = "ap"
    higher_is_better = True
    columns = ("kind", "score", "left", "top", "right", "bottom")
    targets = {
        "boxes": TensorSpec((MOST, 4), "float32"),
        "classes": TensorSpec((MOST,), "int32"),
        "valid": TensorSpec((MOST,), "bool"),
    }

    def labels(self):
        return {"kinds": list(KINDS)}

    def summary(self):
        return {"classes": list(KINDS)}

    def encode(self, values, facts, keys):
        boxes = np.zeros((len(values), MOST, 4), np.float32)
        classes, valid = np.zeros((len(values), MOST), np.int32), np.zeros((len(values), MOST), bool)
        for row, (value, fact) in enumerate(zip(values, facts, strict=True)):
            size = np.array([fact["width"], fact["height"]] * 2, np.float32)
            for place, (kind, *corners) in enumerate(value):
                boxes[row, place], classes[row, place], valid[row, place] = corners / size, KINDS.index(kind), True
        return {"boxes": boxes, "classes": classes, "valid": valid}

    def head(self, name, features, seed):
        import keras

        feature = keras.Input(features["map@4"][1:], name="map@4")
        draw = keras.initializers.GlorotUniform(seed)
        hidden = keras.layers.Conv2D(32, 3, padding="same", activation="relu", kernel_initializer=draw)(feature)
        heat = keras.layers.Conv2D(len(KINDS), 1, kernel_initializer=draw)(hidden)
        size = keras.layers.Conv2D(4, 1, activation="sigmoid", kernel_initializer=draw)(hidden)
        return keras.Model({"map@4": feature}, {"heat": heat, "size": size})

    def loss(self, targets, outputs, *, training):
        from keras import ops

        boxes, valid = targets["boxes"], ops.cast(targets["valid"], "float32")
        centre = (boxes[..., :2] + boxes[..., 2:]) / 2
        cell = ops.clip(ops.cast(ops.floor(centre * GRID), "int32"), 0, GRID - 1)
        place = cell[..., 1] * GRID + cell[..., 0]
        there = ops.one_hot(place, GRID * GRID, dtype="float32") * valid[..., None]  # (batch, box, cell)
        kinds = ops.one_hot(targets["classes"], len(KINDS), dtype="float32")
        wanted = ops.minimum(ops.einsum("nbc,nbk->nck", there, kinds), 1.0)
        heat = ops.reshape(outputs["heat"], (-1, GRID * GRID, len(KINDS)))
        heat_loss = ops.sum(ops.softplus(heat) - heat * wanted, axis=(1, 2))
        middle = (ops.cast(cell, "float32") + 0.5) / GRID
        sides = ops.concatenate([middle - boxes[..., :2], boxes[..., 2:] - middle], axis=-1)
        size = ops.einsum("nbc,ncs->nbs", there, ops.reshape(outputs["size"], (-1, GRID * GRID, 4)))
        size_loss = ops.sum(ops.abs(size - sides) * valid[..., None], axis=(1, 2))
        return heat_loss / 4 + size_loss

    def evaluator(self, *, running=False):
        return AveragePrecision()

    def baseline(self, train, test):
        return {"no_box_ap": 0.0}

    def decode(self, outputs, facts, top_k):
        answers = []
        for heat, size, fact in zip(outputs["heat"], outputs["size"], facts, strict=True):
            found = found_in(heat, size)
            scale = np.array([fact["width"], fact["height"]] * 2)
            boxes = [
                {"kind": KINDS[kind], "score": float(score), "box": [float(each) for each in box * scale]}
                for score, kind, box in found
            ]
            answers.append({"boxes": boxes})
        return answers

    def rows(self, answer):
        for each in answer["boxes"]:
            yield dict(zip(self.columns, (each["kind"], each["score"], *each["box"]), strict=True))


def found_in(heat, size):
    """(score, kind, box) of every cell and kind surer than 0.3, the surest first."""
    scores = 1 / (1 + np.exp(-heat.astype(np.float64)))
    found = []
    for row, column, kind in np.argwhere(scores > 0.3):
        x, y = (column + 0.5) / GRID, (row + 0.5) / GRID
        left, top, right, bottom = size[row, column]
        found.append((scores[row, column, kind], kind, np.array([x - left, y - top, x + right, y + bottom])))
    return sorted(found, key=lambda each: -each[0])


@dataclass
class AveragePrecision:
    """Average precision over the whole set, all kinds together: hits and misses in BINS steps of the score."""

    hits: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))
    misses: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))
    truths: int = 0

    def update(self, targets, outputs, facts, losses):
        for row in range(len(losses)):
            valid = targets["valid"][row]
            left = list(zip(targets["classes"][row][valid], targets["boxes"][row][valid], strict=True))
            self.truths += len(left)
            for score, kind, box in found_in(outputs["heat"][row], outputs["size"][row]):
                step = min(int(score * BINS), BINS - 1)
                match = next((n for n, (k, truth) in enumerate(left) if k == kind and iou(box, truth) > OVERLAP), None)
                if match is None:
                    self.misses[step] += 1
                else:
                    self.hits[step] += 1
                    left.pop(match)

    def merge(self, other):
        self.hits += other.hits
        self.misses += other.misses
        self.truths += other.truths

    def metrics(self):
        hits, found = self.hits[::-1].cumsum(), (self.hits + self.misses)[::-1].cumsum()
        precision = hits / np.maximum(found, 1)
        recall = np.diff(hits, prepend=0) / max(self.truths, 1)
        return {"ap": float((precision * recall).sum()), "recall": float(hits[-1] / max(self.truths, 1))}

    def result(self):
        return Evaluation(self.metrics(), report={"truths": self.truths})

    def state(self):
        return {"hits": self.hits, "misses": self.misses, "truths": np.array(self.truths)}

    def restore(self, state):
        self.hits, self.misses, self.truths = state["hits"].copy(), state["misses"].copy(), int(state["truths"])


def iou(one, other):
    """Intersection over union of (left, top, right, bottom)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / max(areas - shared, 1e-9)
